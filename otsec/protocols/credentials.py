"""What kind of credential was shown, without keeping it: `default`, `weak`, `clear`, `none`.

A password is looked at where it passes and named by its kind only; it leaves in no message.
"""

from functools import cache

KINDS = ("default", "weak", "clear", "anonymous", "none")
SHORT = 6  # characters; what is shorter is guessed
# account/password as makers deliver devices, from their public manuals
_DEFAULTS = """
admin/admin admin/password admin/1234 admin/12345 admin/123456 admin/default admin/private
admin/public admin/admin123 admin/moxa admin/wago admin/hirschmann admin/phoenix admin/westermo
admin/siemens admin/superuser admin/ipc admin/system administrator/administrator
administrator/password administrator/admin user/user user/password user/public user/12345 user/none
root/root root/admin root/password root/toor root/default root/dbps root/wago root/calvin
guest/guest service/service operator/operator engineer/engineer supervisor/supervisor
manager/manager manager/friend maint/maint tech/tech test/test default/default debug/d.e.b.u.g
su/wago super/superpass sysdiag/factorycast@schneider fwupgrade/blockdownload loader/fwdownload
ntpupdate/ntpupdate fdrusers/sresurdf ftpuser/ftpuser test/testingpw qbf77101/hexakisoctahedron
nic2212/poiuypoiuy usererr/user pcfactory/pcfactory target/password webserver/webpages
ade/ade sysadmin/sysadmin cisco/cisco ubnt/ubnt pi/raspberry support/support
sa/sa sa/password sa/sql sa/changeme sa/2bewincc wincc/wincc winccadmin/2winccadmin
winccconnect/2wsxcder postgres/postgres oracle/oracle scada/scada plc/plc hmi/hmi
"""
_COMMON = """
password passw0rd p@ssw0rd password1 123456 1234567 12345678 123456789 qwerty qwertz abc123
letmein welcome changeme default secret system monitor master public private 111111 000000
administrator operator service factory
"""


@cache
def _pairs() -> frozenset[tuple[str, str]]:
    return frozenset((one.partition("/")[0], one.partition("/")[2]) for one in _DEFAULTS.split())


@cache
def _passwords() -> frozenset[str]:
    return frozenset(password for _, password in _pairs()) | {*_COMMON.split()}


# What stands for a password where bytes must outlive the moment: one of these over and over. Who
# sends such a password gives away no more than its kind, and wrongly at that.
STAND_INS = {"default": "\x01", "weak": "\x02", "clear": "\x03"}
_KIND_OF_STAND_IN = {mark: kind for kind, mark in STAND_INS.items()}
COVER = b"\x03"  # stands for secrets that nobody looks at


def kind_of(account: str, password: str) -> str:
    """The kind of a password shown in the clear; ``account`` is empty where it was not seen."""
    if not password:
        return "none"
    if password[0] in _KIND_OF_STAND_IN and not password.strip(password[0]):
        return _KIND_OF_STAND_IN[password[0]]
    account, password = account.lower(), password.lower()
    if account and ((account, password) in _pairs() or account == password):
        return "default"
    if len(password) < SHORT or password in _passwords():
        return "weak"
    return "clear"


def stand_in(account: str, password: str) -> str:
    """A text of the same length and kind that tells nothing else of a password."""
    return STAND_INS.get(kind_of(account, password), "") * len(password)


def covered(data: bytes, begin: int, end: int, content: bytes = b"") -> bytes:
    """The bytes with a span of them replaced: by so many bytes of ``content``, else by a filling."""
    end = min(end, len(data))
    return data[:begin] + (content or COVER * (end - begin)) + data[end:]


def hidden(data: bytes, secret: bytes, content: bytes = b"") -> bytes:
    """The bytes with a secret covered where it stands last."""
    begin = data.rfind(secret) if secret else -1
    return covered(data, begin, begin + len(secret), content) if begin >= 0 else data
