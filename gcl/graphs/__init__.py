"""Functions of PyG data: which attributes belong to what, checked, taken apart and put together."""
