"""The 2025 programme, its companies and their usage invented: `python -m demo` settles four months of it."""
