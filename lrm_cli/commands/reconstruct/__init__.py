"""`lrm reconstruct`."""

from lrm_cli.commands.reconstruct.run import reconstruct

__all__ = ["reconstruct"]
