"""What devices say in one line of themselves, and what maker, model and version that names.

Each row is seen in a capture or told by its maker's public documents.
"""

import re

_FORMS: tuple[tuple[str, dict[str, str]], ...] = (  # pattern; what is said besides its groups
    (r"^(?P<model_name>\S+) WeOS v(?P<revision>\d+(?:\.\d+)+)", {"os": "WeOS"}),
    (r"^Hirschmann (?P<model_name>\S+) - SW: (?P<revision>\S+)", {"vendor": "Hirschmann"}),
    (
        r"^Cisco (?:IOS|Internetwork Operating System) Software.*?Version (?P<revision>[^,\s]+)",
        {"os": "Cisco IOS"},
    ),
    (r"^Cisco NX-OS.*?Version (?P<revision>[^,\s]+)", {"os": "Cisco NX-OS"}),
    (r"^(?P<os>Linux) (?P<hostname>\S+) (?P<os_version>\d+\.\d\S*)", {}),
    (r"Software: (?P<os>Windows) .*?Version (?P<os_version>\d+\.\d+)", {}),
    (r"SIMATIC .*?(?P<model_name>SCALANCE [XSWM]\S*(?: ?\d+)?)", {"vendor": "Siemens AG"}),
    (
        r"^Siemens, SIMATIC.*?, (?P<order_number>6[A-Z]\S+ \S+).*?FW: Version (?P<revision>V[\d.]+)",
        {"vendor": "Siemens AG"},
    ),
)
_PATTERNS = tuple((re.compile(form, re.IGNORECASE | re.DOTALL), more) for form, more in _FORMS)
_LOOKED_AT = 400  # letters: devices may say anything, at length
DESCRIBED = ("model_name", "revision", "os", "os_version", "vendor", "hostname", "order_number",
             )  # fmt: skip


def described(line: str) -> tuple[tuple[str, str], ...]:
    """Attributes and values that a description names, by the first pattern that fits."""
    for pattern, more in _PATTERNS:
        found = pattern.search(line[:_LOOKED_AT])
        if found:
            said = {name: value for name, value in found.groupdict().items() if value}
            return tuple((more | said).items())
    return ()
