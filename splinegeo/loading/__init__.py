"""Networks in files of other formats, as torch modules."""

from .models import load_model as load_model
