"""Who subscribes, and what each one's subscription goes through."""

ADA, BEN, CLEO, DAN, EVE = "ada", "ben", "cleo", "dan", "eve"
CUSTOMERS = {
    ADA: "Ada Analytics, three plain months",
    BEN: "Ben Bikes, January on trial",
    CLEO: "Cleo Cloud, upgraded on 15 February",
    DAN: "Dan Data, paused from 10 February to 10 March",
    EVE: "Eve Energy, cancelled for the end of February",
}
