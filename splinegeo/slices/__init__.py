"""Where we look: a convex window in a two-dimensional affine slice of the input space."""

from .slice import Slice as Slice
