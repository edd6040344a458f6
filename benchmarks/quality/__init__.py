"""Quality of the recommended lists: the model, its ablations and its peers, measured alike."""
