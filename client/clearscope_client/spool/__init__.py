"""A spool: what an acquisition posts lies safely on disk and is sent later, once and in order."""

from clearscope_client.spool.entries import Delivered, Posting, Ticket
from clearscope_client.spool.spooling import Spool, WhenFull

__all__ = ["Delivered", "Posting", "Spool", "Ticket", "WhenFull"]
