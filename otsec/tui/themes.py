"""Themes: dark, light, high contrast, and one that needs no colours at all."""

from textual.theme import Theme

OTSEC_DARK = Theme(
    "otsec-dark",
    primary="#7cb7ff",
    secondary="#9fd8cb",
    accent="#ffd479",
    warning="#ffc35c",
    error="#ff7b72",
    success="#7ddf8a",
    foreground="#e6edf3",
    background="#0d1117",
    surface="#161b22",
    panel="#1f2733",
    dark=True,
)
OTSEC_LIGHT = Theme(
    "otsec-light",
    primary="#0550ae",
    secondary="#116329",
    accent="#8a4600",
    warning="#7d4e00",
    error="#b3261e",
    success="#116329",
    foreground="#1f2328",
    background="#ffffff",
    surface="#f3f5f7",
    panel="#e3e8ee",
    dark=False,
)
HIGH_CONTRAST = Theme(
    "otsec-contrast",
    primary="#00ffff",
    secondary="#00ff00",
    accent="#ffff00",
    warning="#ffff00",
    error="#ff6060",
    success="#00ff00",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    boost="#202020",
    dark=True,
    text_alpha=1.0,
)
MONOCHROME = Theme(
    "otsec-mono",
    primary="#ffffff",
    secondary="#ffffff",
    accent="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    success="#ffffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#303030",
    boost="#303030",
    dark=True,
    text_alpha=1.0,
)
THEMES = (OTSEC_DARK, OTSEC_LIGHT, HIGH_CONTRAST, MONOCHROME)
