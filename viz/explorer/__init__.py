"""Look around: a live explorer, and a page to share."""

from .answers import Source as Source
from .exploring import explore as explore
from .exploring import source_of as source_of
from .server import ExplorerServer as ExplorerServer
from .sharing import write_html as write_html
