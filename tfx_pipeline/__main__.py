"""`python -m tfx_pipeline` is the command `sessionrec`."""

from tfx_pipeline.cli import main

main()
