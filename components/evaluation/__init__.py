"""How good a model is: ranking metrics, the counters to beat, and checks of the data."""
