"""From an exported model to one that is served: last version, servable check, push."""
