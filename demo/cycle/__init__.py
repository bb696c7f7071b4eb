"""Three months on a test clock, with what happens to subscriptions: a trial, an upgrade, a pause, a cancellation."""
