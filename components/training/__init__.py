"""TFX's Trainer, with the number of epochs as a parameter of a run."""
