"""The commands of `jeongsan` (contract.md §2), one module a subject."""
