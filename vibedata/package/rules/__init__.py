"""The rules that a package must keep: arm-ttk's, createUiDefinition's, managed applications'. One function each."""
