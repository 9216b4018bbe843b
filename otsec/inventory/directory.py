"""Finding assets by address, as rows of the store name them."""

from collections import defaultdict

from otsec.inventory.assembly import Inventory
from otsec.inventory.model import Asset, Node


class Directory:
    """Finds assets by address, also where a conversation saw them from another place."""

    def __init__(self, found: Inventory) -> None:
        self.found = found
        self.elsewhere: dict[tuple[str, str, str], set[int]] = defaultdict(set)
        for node, number in found.by_node.items():
            self.elsewhere[node.site, node.group, node.address].add(number)

    def at(self, site: str, group: str, place: str, address: str) -> Asset | None:
        """The asset that has the address there; else the only one of the group that has it."""
        asset = self.found.at(Node(site, group, place, address))
        others = self.elsewhere.get((site, group, address), set())
        if asset is None and len(others) == 1:
            (number,) = others
            return self.found.assets[number]
        return asset
