//! Adapters for places that hold images.
