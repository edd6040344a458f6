"""The exception for what a user of the cluster's commands can mend."""


class KubeflowError(RuntimeError):
    """The pipeline could not be handed over; the message is for the user."""
