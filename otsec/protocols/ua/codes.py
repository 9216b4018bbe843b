"""What the parts of OPC UA have in common: services by number, and what is read at most."""

READ, READ_DONE, WRITE, WRITE_DONE, PUBLISH, PUBLISHED = 631, 634, 673, 676, 826, 829
TEST_STACK_EX = 416, 419
OPEN_CHANNEL, CHANNEL_OPEN, CLOSE_CHANNEL = 446, 449, 452
CREATE_SESSION, SESSION_CREATED, ACTIVATE_SESSION = 461, 464, 467
CREATE_ITEMS, ITEMS_CREATED, MODIFY_ITEMS, ITEMS_MODIFIED = 751, 754, 763, 766
DATA_CHANGE, SERVER_STATUS, BUILD_INFO = 811, 864, 340  # encodings of structures

MOST = 4_096  # bytes of a body that are read, but for those services
MOST_OF = dict.fromkeys(  # that say who somebody is: certificates stand in their bodies
    (422, 425, 428, 431, 437, 440, 446, 449, 461, 464, 467, 12209, 12211), 16_384
)
MOST_ITEMS = 1_000  # of one unit; a longer list stands whole
MOST_NESTED = 8  # values in values
LISTED = 4  # objects that are told one by one
LONG_TEXT = 256  # bytes of a text value; a longer one is not read
SIGNATURES = (0, 16, 20, 32, 48)  # bytes behind a signed body, [7] security policies
HELLO_TAG, OPEN_TAG = 1 << 32, 2 << 32  # beside the request ids, which have 32 bits

PUBLISH_FAULTS = (0x8078_0000, 0x8079_0000)  # too many requests; no subscription
MODES = {1: "none", 2: "sign", 3: "sign and encrypt"}  # [4] 7.20
TOKENS = {0: "anonymous", 1: "user name", 2: "certificate", 3: "issued token"}  # [4] 7.43
APPLICATIONS = {0: "opc_server", 1: "opc_client", 2: "opc_server", 3: "discovery_server"}  # 7.4
POLICY = "http://opcfoundation.org/UA/SecurityPolicy#"
NO_POLICY = "None"  # the security policy without security


def policy_name(uri: str) -> str:
    """The short name of a security policy, [7] 6.6."""
    return uri.removeprefix(POLICY)
