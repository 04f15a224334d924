"""The command line: parse, call, report; one file for each group of commands."""

from .main import app as app
from .main import main as main
