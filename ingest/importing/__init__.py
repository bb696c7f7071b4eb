"""Usage from files, judged as the door judges it and landed beside it. Started by `tally import`."""
