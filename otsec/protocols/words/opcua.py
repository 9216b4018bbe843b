"""The words of OPC UA: services, structures, status codes, attributes, well-known nodes.

Sources: [4] OPC 10000-4 (services), [6] OPC 10000-6 1.05: `Opc.Ua.Types.bsd` (fields of the
structures in order of their binary encoding), `NodeIds.csv` (ids), `StatusCode.csv`.
"""

from otsec.model import OperationClass

# Each service: operation, class, id of its request and of its response in binary encoding
_SERVICES: tuple[tuple[str, OperationClass, int, int], ...] = (
    ("test_stack", "diagnose", 410, 413),
    ("test_stack_ex", "diagnose", 416, 419),
    ("find_servers", "browse", 422, 425),
    ("get_endpoints", "browse", 428, 431),
    ("register_server", "report", 437, 440),
    ("open_secure_channel", "session", 446, 449),
    ("close_secure_channel", "session", 452, 455),
    ("create_session", "session", 461, 464),
    ("activate_session", "session", 467, 470),
    ("close_session", "session", 473, 476),
    ("cancel", "session", 479, 482),
    ("add_nodes", "config", 488, 491),
    ("add_references", "config", 494, 497),
    ("delete_nodes", "config", 500, 503),
    ("delete_references", "config", 506, 509),
    ("browse", "browse", 527, 530),
    ("browse_next", "browse", 533, 536),
    ("translate_browse_paths_to_node_ids", "browse", 554, 557),
    ("register_nodes", "session", 560, 563),
    ("unregister_nodes", "session", 566, 569),
    ("query_first", "browse", 615, 618),
    ("query_next", "browse", 621, 624),
    ("read", "read", 631, 634),
    ("history_read", "read", 664, 667),
    ("write", "write", 673, 676),
    ("history_update", "write", 700, 703),
    ("call", "control", 712, 715),
    ("create_monitored_items", "config", 751, 754),
    ("modify_monitored_items", "config", 763, 766),
    ("set_monitoring_mode", "config", 769, 772),
    ("set_triggering", "config", 775, 778),
    ("delete_monitored_items", "config", 781, 784),
    ("create_subscription", "config", 787, 790),
    ("modify_subscription", "config", 793, 796),
    ("set_publishing_mode", "config", 799, 802),
    ("publish", "report", 826, 829),
    ("republish", "report", 832, 835),
    ("transfer_subscriptions", "config", 841, 844),
    ("delete_subscriptions", "config", 847, 850),
    ("find_servers_on_network", "browse", 12208, 12209),
    ("register_server2", "report", 12211, 12212),
)
SERVICE_FAULT = 397  # the response of any service that failed, [4] 7.35
REQUESTS = {asks: (name, cls) for name, cls, asks, _ in _SERVICES}
RESPONSES = {tells: (name, cls) for name, cls, _, tells in _SERVICES}
SERVICES = {*REQUESTS, *RESPONSES, SERVICE_FAULT}

# The fields of each structure in order, `name:type`; a type is a basic one or a structure, with
# [] an array. Bodies of services stand without their headers.
_FIELDS = """
SignatureData algorithm:str signature:bytes
FindServersRequest endpoint_url:str locale_ids:str[] server_uris:str[]
ApplicationDescription application_uri:str product_uri:str application_name:ltext
  application_type:u32 gateway_server_uri:str discovery_profile_uri:str discovery_urls:str[]
FindServersResponse servers:ApplicationDescription[]
GetEndpointsRequest endpoint_url:str locale_ids:str[] profile_uris:str[]
UserTokenPolicy policy_id:str token_type:u32 issued_token_type:str issuer_endpoint_url:str
  security_policy_uri:str
EndpointDescription endpoint_url:str server:ApplicationDescription server_certificate:bytes
  security_mode:u32 security_policy_uri:str user_identity_tokens:UserTokenPolicy[]
  transport_profile_uri:str security_level:u8
GetEndpointsResponse endpoints:EndpointDescription[]
RegisteredServer server_uri:str product_uri:str server_names:ltext[] server_type:u32
  gateway_server_uri:str discovery_urls:str[] semaphore_file_path:str is_online:bool
RegisterServerRequest server:RegisteredServer
RegisterServerResponse
OpenSecureChannelRequest client_protocol_version:u32 request_type:u32 security_mode:u32
  client_nonce:bytes requested_lifetime:u32
ChannelSecurityToken channel_id:u32 token_id:u32 created_at:time revised_lifetime:u32
OpenSecureChannelResponse server_protocol_version:u32 security_token:ChannelSecurityToken
  server_nonce:bytes
CloseSecureChannelRequest
CloseSecureChannelResponse
CreateSessionRequest client_description:ApplicationDescription server_uri:str endpoint_url:str
  session_name:str client_nonce:bytes client_certificate:bytes requested_session_timeout:f64
  max_response_message_size:u32
SignedSoftwareCertificate certificate_data:bytes signature:bytes
CreateSessionResponse session_id:node authentication_token:node revised_session_timeout:f64
  server_nonce:bytes server_certificate:bytes server_endpoints:EndpointDescription[]
  server_software_certificates:SignedSoftwareCertificate[] server_signature:SignatureData
  max_request_message_size:u32
ActivateSessionRequest client_signature:SignatureData
  client_software_certificates:SignedSoftwareCertificate[] locale_ids:str[]
  user_identity_token:ext user_token_signature:SignatureData
ActivateSessionResponse server_nonce:bytes results:status[] diagnostic_infos:diag[]
CloseSessionRequest delete_subscriptions:bool
CloseSessionResponse
CancelRequest request_handle:u32
CancelResponse cancel_count:u32
AddNodesItem parent_node_id:xnode reference_type_id:node requested_new_node_id:xnode
  browse_name:qname node_class:u32 node_attributes:ext type_definition:xnode
AddNodesRequest nodes_to_add:AddNodesItem[]
AddNodesResult status_code:status added_node_id:node
AddNodesResponse results:AddNodesResult[] diagnostic_infos:diag[]
AddReferencesItem source_node_id:node reference_type_id:node is_forward:bool target_server_uri:str
  target_node_id:xnode target_node_class:u32
AddReferencesRequest references_to_add:AddReferencesItem[]
AddReferencesResponse results:status[] diagnostic_infos:diag[]
DeleteNodesItem node_id:node delete_target_references:bool
DeleteNodesRequest nodes_to_delete:DeleteNodesItem[]
DeleteNodesResponse results:status[] diagnostic_infos:diag[]
DeleteReferencesItem source_node_id:node reference_type_id:node is_forward:bool
  target_node_id:xnode delete_bidirectional:bool
DeleteReferencesRequest references_to_delete:DeleteReferencesItem[]
DeleteReferencesResponse results:status[] diagnostic_infos:diag[]
ViewDescription view_id:node timestamp:time view_version:u32
BrowseDescription node_id:node browse_direction:u32 reference_type_id:node include_subtypes:bool
  node_class_mask:u32 result_mask:u32
BrowseRequest view:ViewDescription requested_max_references_per_node:u32
  nodes_to_browse:BrowseDescription[]
ReferenceDescription reference_type_id:node is_forward:bool node_id:xnode browse_name:qname
  display_name:ltext node_class:u32 type_definition:xnode
BrowseResult status_code:status continuation_point:bytes references:ReferenceDescription[]
BrowseResponse results:BrowseResult[] diagnostic_infos:diag[]
BrowseNextRequest release_continuation_points:bool continuation_points:bytes[]
BrowseNextResponse results:BrowseResult[] diagnostic_infos:diag[]
RelativePathElement reference_type_id:node is_inverse:bool include_subtypes:bool target_name:qname
RelativePath elements:RelativePathElement[]
BrowsePath starting_node:node relative_path:RelativePath
TranslateBrowsePathsToNodeIdsRequest browse_paths:BrowsePath[]
BrowsePathTarget target_id:xnode remaining_path_index:u32
BrowsePathResult status_code:status targets:BrowsePathTarget[]
TranslateBrowsePathsToNodeIdsResponse results:BrowsePathResult[] diagnostic_infos:diag[]
RegisterNodesRequest nodes_to_register:node[]
RegisterNodesResponse registered_node_ids:node[]
UnregisterNodesRequest nodes_to_unregister:node[]
UnregisterNodesResponse
QueryDataDescription relative_path:RelativePath attribute_id:u32 index_range:str
NodeTypeDescription type_definition_node:xnode include_sub_types:bool
  data_to_return:QueryDataDescription[]
ContentFilterElement filter_operator:u32 filter_operands:ext[]
ContentFilter elements:ContentFilterElement[]
QueryFirstRequest view:ViewDescription node_types:NodeTypeDescription[] filter:ContentFilter
  max_data_sets_to_return:u32 max_references_to_return:u32
QueryDataSet node_id:xnode type_definition_node:xnode values:variant[]
ParsingResult status_code:status data_status_codes:status[] data_diagnostic_infos:diag[]
ContentFilterElementResult status_code:status operand_status_codes:status[]
  operand_diagnostic_infos:diag[]
ContentFilterResult element_results:ContentFilterElementResult[] element_diagnostic_infos:diag[]
QueryFirstResponse query_data_sets:QueryDataSet[] continuation_point:bytes
  parsing_results:ParsingResult[] diagnostic_infos:diag[] filter_result:ContentFilterResult
QueryNextRequest release_continuation_point:bool continuation_point:bytes
QueryNextResponse query_data_sets:QueryDataSet[] revised_continuation_point:bytes
ReadValueId node_id:node attribute_id:u32 index_range:str data_encoding:qname
ReadRequest max_age:f64 timestamps_to_return:u32 nodes_to_read:ReadValueId[]
ReadResponse results:data[] diagnostic_infos:diag[]
HistoryReadValueId node_id:node index_range:str data_encoding:qname continuation_point:bytes
HistoryReadRequest history_read_details:ext timestamps_to_return:u32
  release_continuation_points:bool nodes_to_read:HistoryReadValueId[]
HistoryReadResult status_code:status continuation_point:bytes history_data:ext
HistoryReadResponse results:HistoryReadResult[] diagnostic_infos:diag[]
WriteValue node_id:node attribute_id:u32 index_range:str value:data
WriteRequest nodes_to_write:WriteValue[]
WriteResponse results:status[] diagnostic_infos:diag[]
HistoryUpdateRequest history_update_details:ext[]
HistoryUpdateResult status_code:status operation_results:status[] diagnostic_infos:diag[]
HistoryUpdateResponse results:HistoryUpdateResult[] diagnostic_infos:diag[]
CallMethodRequest object_id:node method_id:node input_arguments:variant[]
CallRequest methods_to_call:CallMethodRequest[]
CallMethodResult status_code:status input_argument_results:status[]
  input_argument_diagnostic_infos:diag[] output_arguments:variant[]
CallResponse results:CallMethodResult[] diagnostic_infos:diag[]
MonitoringParameters client_handle:u32 sampling_interval:f64 filter:ext queue_size:u32
  discard_oldest:bool
MonitoredItemCreateRequest item_to_monitor:ReadValueId monitoring_mode:u32
  requested_parameters:MonitoringParameters
CreateMonitoredItemsRequest subscription_id:u32 timestamps_to_return:u32
  items_to_create:MonitoredItemCreateRequest[]
MonitoredItemCreateResult status_code:status monitored_item_id:u32 revised_sampling_interval:f64
  revised_queue_size:u32 filter_result:ext
CreateMonitoredItemsResponse results:MonitoredItemCreateResult[] diagnostic_infos:diag[]
MonitoredItemModifyRequest monitored_item_id:u32 requested_parameters:MonitoringParameters
ModifyMonitoredItemsRequest subscription_id:u32 timestamps_to_return:u32
  items_to_modify:MonitoredItemModifyRequest[]
MonitoredItemModifyResult status_code:status revised_sampling_interval:f64 revised_queue_size:u32
  filter_result:ext
ModifyMonitoredItemsResponse results:MonitoredItemModifyResult[] diagnostic_infos:diag[]
SetMonitoringModeRequest subscription_id:u32 monitoring_mode:u32 monitored_item_ids:u32[]
SetMonitoringModeResponse results:status[] diagnostic_infos:diag[]
SetTriggeringRequest subscription_id:u32 triggering_item_id:u32 links_to_add:u32[]
  links_to_remove:u32[]
SetTriggeringResponse add_results:status[] add_diagnostic_infos:diag[] remove_results:status[]
  remove_diagnostic_infos:diag[]
DeleteMonitoredItemsRequest subscription_id:u32 monitored_item_ids:u32[]
DeleteMonitoredItemsResponse results:status[] diagnostic_infos:diag[]
CreateSubscriptionRequest requested_publishing_interval:f64 requested_lifetime_count:u32
  requested_max_keep_alive_count:u32 max_notifications_per_publish:u32 publishing_enabled:bool
  priority:u8
CreateSubscriptionResponse subscription_id:u32 revised_publishing_interval:f64
  revised_lifetime_count:u32 revised_max_keep_alive_count:u32
ModifySubscriptionRequest subscription_id:u32 requested_publishing_interval:f64
  requested_lifetime_count:u32 requested_max_keep_alive_count:u32
  max_notifications_per_publish:u32 priority:u8
ModifySubscriptionResponse revised_publishing_interval:f64 revised_lifetime_count:u32
  revised_max_keep_alive_count:u32
SetPublishingModeRequest publishing_enabled:bool subscription_ids:u32[]
SetPublishingModeResponse results:status[] diagnostic_infos:diag[]
SubscriptionAcknowledgement subscription_id:u32 sequence_number:u32
PublishRequest subscription_acknowledgements:SubscriptionAcknowledgement[]
NotificationMessage sequence_number:u32 publish_time:time notification_data:ext[]
PublishResponse subscription_id:u32 available_sequence_numbers:u32[] more_notifications:bool
  notification_message:NotificationMessage results:status[] diagnostic_infos:diag[]
RepublishRequest subscription_id:u32 retransmit_sequence_number:u32
RepublishResponse notification_message:NotificationMessage
TransferSubscriptionsRequest subscription_ids:u32[] send_initial_values:bool
TransferResult status_code:status available_sequence_numbers:u32[]
TransferSubscriptionsResponse results:TransferResult[] diagnostic_infos:diag[]
DeleteSubscriptionsRequest subscription_ids:u32[]
DeleteSubscriptionsResponse results:status[] diagnostic_infos:diag[]
FindServersOnNetworkRequest starting_record_id:u32 max_records_to_return:u32
  server_capability_filter:str[]
ServerOnNetwork record_id:u32 server_name:str discovery_url:str server_capabilities:str[]
FindServersOnNetworkResponse last_counter_reset_time:time servers:ServerOnNetwork[]
RegisterServer2Request server:RegisteredServer discovery_configuration:ext[]
RegisterServer2Response configuration_results:status[] diagnostic_infos:diag[]
AnonymousIdentityToken policy_id:str
UserNameIdentityToken policy_id:str user_name:str password:bytes encryption_algorithm:str
X509IdentityToken policy_id:str certificate_data:bytes
IssuedIdentityToken policy_id:str token_data:bytes encryption_algorithm:str
MonitoredItemNotification client_handle:u32 value:data
DataChangeNotification monitored_items:MonitoredItemNotification[] diagnostic_infos:diag[]
EventFieldList client_handle:u32 event_fields:variant[]
EventNotificationList events:EventFieldList[]
StatusChangeNotification status:status diagnostic_info:diag
BuildInfo product_uri:str manufacturer_name:str product_name:str software_version:str
  build_number:str build_date:time
ServerStatusDataType start_time:time current_time:time state:u32 build_info:BuildInfo
  seconds_till_shutdown:u32 shutdown_reason:ltext
DataChangeFilter trigger:u32 deadband_type:u32 deadband_value:f64
SimpleAttributeOperand type_definition_id:node browse_path:qname[] attribute_id:u32
  index_range:str
EventFilter select_clauses:SimpleAttributeOperand[] where_clause:ContentFilter
AggregateConfiguration use_server_capabilities_defaults:bool treat_uncertain_as_bad:bool
  percent_data_bad:u8 percent_data_good:u8 use_sloped_extrapolation:bool
AggregateFilter start_time:time aggregate_type:node processing_interval:f64
  aggregate_configuration:AggregateConfiguration
ReadRawModifiedDetails is_read_modified:bool start_time:time end_time:time num_values_per_node:u32
  return_bounds:bool
ReadProcessedDetails start_time:time end_time:time processing_interval:f64 aggregate_type:node[]
  aggregate_configuration:AggregateConfiguration
ReadAtTimeDetails req_times:time[] use_simple_bounds:bool
ReadEventDetails num_values_per_node:u32 start_time:time end_time:time filter:EventFilter
UpdateDataDetails node_id:node perform_insert_replace:u32 update_values:data[]
UpdateStructureDataDetails node_id:node perform_insert_replace:u32 update_values:data[]
HistoryEventFieldList event_fields:variant[]
UpdateEventDetails node_id:node perform_insert_replace:u32 filter:EventFilter
  event_data:HistoryEventFieldList[]
DeleteRawModifiedDetails node_id:node is_delete_modified:bool start_time:time end_time:time
DeleteAtTimeDetails node_id:node req_times:time[]
DeleteEventDetails node_id:node event_ids:bytes[]
HistoryData data_values:data[]
ModificationInfo modification_time:time update_type:u32 user_name:str
HistoryModifiedData data_values:data[] modification_infos:ModificationInfo[]
HistoryEvent events:HistoryEventFieldList[]
ObjectAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 event_notifier:u8
VariableAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 value:variant data_type:node value_rank:i32 array_dimensions:u32[]
  access_level:u8 user_access_level:u8 minimum_sampling_interval:f64 historizing:bool
MethodAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 executable:bool user_executable:bool
ObjectTypeAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 is_abstract:bool
VariableTypeAttributes specified_attributes:u32 display_name:ltext description:ltext
  write_mask:u32 user_write_mask:u32 value:variant data_type:node value_rank:i32
  array_dimensions:u32[] is_abstract:bool
ReferenceTypeAttributes specified_attributes:u32 display_name:ltext description:ltext
  write_mask:u32 user_write_mask:u32 is_abstract:bool symmetric:bool inverse_name:ltext
DataTypeAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 is_abstract:bool
ViewAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 contains_no_loops:bool event_notifier:u8
GenericAttributeValue attribute_id:u32 value:variant
GenericAttributes specified_attributes:u32 display_name:ltext description:ltext write_mask:u32
  user_write_mask:u32 attribute_values:GenericAttributeValue[]
ElementOperand index:u32
LiteralOperand value:variant
AttributeOperand node_id:node alias:str browse_path:RelativePath attribute_id:u32 index_range:str
EventFilterResult select_clause_results:status[] select_clause_diagnostic_infos:diag[]
  where_clause_result:ContentFilterResult
AggregateFilterResult revised_start_time:time revised_processing_interval:f64
  revised_aggregate_configuration:AggregateConfiguration
MdnsDiscoveryConfiguration mdns_server_name:str server_capabilities:str[]
TestStackRequest test_id:u32 iteration:i32 input:variant
TestStackResponse output:variant
"""


def _structures() -> dict[str, tuple[tuple[str, str], ...]]:
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for line in _FIELDS.replace("\n  ", " ").split("\n"):
        name, *fields = line.split() or [""]
        pairs = (field.split(":") for field in fields)
        found[name] = tuple((field, kind) for field, kind in pairs)
    return found


STRUCTURES = _structures()
BODIES = {  # the structure of the body of each service, by its id
    number: name
    for service, _, *numbers in _SERVICES
    for number, what in zip(numbers, ("Request", "Response"), strict=True)
    if (name := service.title().replace("_", "") + what) in STRUCTURES
}
_ENCODINGS = {  # of structures that stand in extension objects
    321: "AnonymousIdentityToken",
    324: "UserNameIdentityToken",
    327: "X509IdentityToken",
    340: "BuildInfo",
    354: "ObjectAttributes",
    357: "VariableAttributes",
    360: "MethodAttributes",
    363: "ObjectTypeAttributes",
    366: "VariableTypeAttributes",
    369: "ReferenceTypeAttributes",
    372: "DataTypeAttributes",
    375: "ViewAttributes",
    594: "ElementOperand",
    597: "LiteralOperand",
    600: "AttributeOperand",
    603: "SimpleAttributeOperand",
    646: "ReadEventDetails",
    649: "ReadRawModifiedDetails",
    652: "ReadProcessedDetails",
    655: "ReadAtTimeDetails",
    658: "HistoryData",
    661: "HistoryEvent",
    682: "UpdateDataDetails",
    685: "UpdateEventDetails",
    688: "DeleteRawModifiedDetails",
    691: "DeleteAtTimeDetails",
    694: "DeleteEventDetails",
    697: "HistoryUpdateResult",
    724: "DataChangeFilter",
    727: "EventFilter",
    730: "AggregateFilter",
    736: "EventFilterResult",
    739: "AggregateFilterResult",
    811: "DataChangeNotification",
    820: "StatusChangeNotification",
    864: "ServerStatusDataType",
    916: "EventNotificationList",
    940: "IssuedIdentityToken",
    11227: "HistoryModifiedData",
    11300: "UpdateStructureDataDetails",
    12901: "MdnsDiscoveryConfiguration",
    17611: "GenericAttributes",
}
STRUCTURE_IDS = {f"i={number}": name for number, name in _ENCODINGS.items()}

SEVERITIES = ("Good", "Uncertain", "Bad", "0xc")  # by the two highest bits of a status
STATUS = {  # by the upper half of a status, [6] A.2
    0x0000: "Good",
    0x002D: "GoodSubscriptionTransferred",
    0x002E: "GoodCompletesAsynchronously",
    0x002F: "GoodOverload",
    0x0030: "GoodClamped",
    0x0096: "GoodLocalOverride",
    0x00A2: "GoodEntryInserted",
    0x00A3: "GoodEntryReplaced",
    0x00A5: "GoodNoData",
    0x00A6: "GoodMoreData",
    0x00A7: "GoodCommunicationEvent",
    0x00A8: "GoodShutdownEvent",
    0x00A9: "GoodCallAgain",
    0x00AA: "GoodNonCriticalTimeout",
    0x00BA: "GoodResultsMayBeIncomplete",
    0x00D9: "GoodDataIgnored",
    0x00DC: "GoodEdited",
    0x00DD: "GoodPostActionFailed",
    0x00DF: "GoodRetransmissionQueueNotSupported",
    0x00E0: "GoodDependentValueChanged",
    0x00EB: "GoodSubNormal",
    0x00EF: "GoodPasswordChangeRequired",
    0x0116: "GoodEdited_DependentValueChanged",
    0x0117: "GoodEdited_DominantValueChanged",
    0x0118: "GoodEdited_DominantValueChanged_DependentValueChanged",
    0x0401: "GoodCascadeInitializationAcknowledged",
    0x0402: "GoodCascadeInitializationRequest",
    0x0403: "GoodCascadeNotInvited",
    0x0404: "GoodCascadeNotSelected",
    0x0407: "GoodFaultStateActive",
    0x0408: "GoodInitiateFaultState",
    0x0409: "GoodCascade",
    0x4000: "Uncertain",
    0x406C: "UncertainReferenceOutOfServer",
    0x408F: "UncertainNoCommunicationLastUsableValue",
    0x4090: "UncertainLastUsableValue",
    0x4091: "UncertainSubstituteValue",
    0x4092: "UncertainInitialValue",
    0x4093: "UncertainSensorNotAccurate",
    0x4094: "UncertainEngineeringUnitsExceeded",
    0x4095: "UncertainSubNormal",
    0x40A4: "UncertainDataSubNormal",
    0x40BC: "UncertainReferenceNotDeleted",
    0x40C0: "UncertainNotAllNodesAvailable",
    0x40DE: "UncertainDominantValueChanged",
    0x40E2: "UncertainDependentValueChanged",
    0x40F2: "UncertainOverRange",
    0x40F3: "UncertainUnderRange",
    0x4208: "UncertainTransducerInManual",
    0x4209: "UncertainSimulatedValue",
    0x420A: "UncertainSensorCalibration",
    0x420F: "UncertainConfigurationError",
    0x8000: "Bad",
    0x8001: "BadUnexpectedError",
    0x8002: "BadInternalError",
    0x8003: "BadOutOfMemory",
    0x8004: "BadResourceUnavailable",
    0x8005: "BadCommunicationError",
    0x8006: "BadEncodingError",
    0x8007: "BadDecodingError",
    0x8008: "BadEncodingLimitsExceeded",
    0x8009: "BadUnknownResponse",
    0x800A: "BadTimeout",
    0x800B: "BadServiceUnsupported",
    0x800C: "BadShutdown",
    0x800D: "BadServerNotConnected",
    0x800E: "BadServerHalted",
    0x800F: "BadNothingToDo",
    0x8010: "BadTooManyOperations",
    0x8011: "BadDataTypeIdUnknown",
    0x8012: "BadCertificateInvalid",
    0x8013: "BadSecurityChecksFailed",
    0x8014: "BadCertificateTimeInvalid",
    0x8015: "BadCertificateIssuerTimeInvalid",
    0x8016: "BadCertificateHostNameInvalid",
    0x8017: "BadCertificateUriInvalid",
    0x8018: "BadCertificateUseNotAllowed",
    0x8019: "BadCertificateIssuerUseNotAllowed",
    0x801A: "BadCertificateUntrusted",
    0x801B: "BadCertificateRevocationUnknown",
    0x801C: "BadCertificateIssuerRevocationUnknown",
    0x801D: "BadCertificateRevoked",
    0x801E: "BadCertificateIssuerRevoked",
    0x801F: "BadUserAccessDenied",
    0x8020: "BadIdentityTokenInvalid",
    0x8021: "BadIdentityTokenRejected",
    0x8022: "BadSecureChannelIdInvalid",
    0x8023: "BadInvalidTimestamp",
    0x8024: "BadNonceInvalid",
    0x8025: "BadSessionIdInvalid",
    0x8026: "BadSessionClosed",
    0x8027: "BadSessionNotActivated",
    0x8028: "BadSubscriptionIdInvalid",
    0x802A: "BadRequestHeaderInvalid",
    0x802B: "BadTimestampsToReturnInvalid",
    0x802C: "BadRequestCancelledByClient",
    0x8031: "BadNoCommunication",
    0x8032: "BadWaitingForInitialData",
    0x8033: "BadNodeIdInvalid",
    0x8034: "BadNodeIdUnknown",
    0x8035: "BadAttributeIdInvalid",
    0x8036: "BadIndexRangeInvalid",
    0x8037: "BadIndexRangeNoData",
    0x8038: "BadDataEncodingInvalid",
    0x8039: "BadDataEncodingUnsupported",
    0x803A: "BadNotReadable",
    0x803B: "BadNotWritable",
    0x803C: "BadOutOfRange",
    0x803D: "BadNotSupported",
    0x803E: "BadNotFound",
    0x803F: "BadObjectDeleted",
    0x8040: "BadNotImplemented",
    0x8041: "BadMonitoringModeInvalid",
    0x8042: "BadMonitoredItemIdInvalid",
    0x8043: "BadMonitoredItemFilterInvalid",
    0x8044: "BadMonitoredItemFilterUnsupported",
    0x8045: "BadFilterNotAllowed",
    0x8046: "BadStructureMissing",
    0x8047: "BadEventFilterInvalid",
    0x8048: "BadContentFilterInvalid",
    0x8049: "BadFilterOperandInvalid",
    0x804A: "BadContinuationPointInvalid",
    0x804B: "BadNoContinuationPoints",
    0x804C: "BadReferenceTypeIdInvalid",
    0x804D: "BadBrowseDirectionInvalid",
    0x804E: "BadNodeNotInView",
    0x804F: "BadServerUriInvalid",
    0x8050: "BadServerNameMissing",
    0x8051: "BadDiscoveryUrlMissing",
    0x8052: "BadSemaphoreFileMissing",
    0x8053: "BadRequestTypeInvalid",
    0x8054: "BadSecurityModeRejected",
    0x8055: "BadSecurityPolicyRejected",
    0x8056: "BadTooManySessions",
    0x8057: "BadUserSignatureInvalid",
    0x8058: "BadApplicationSignatureInvalid",
    0x8059: "BadNoValidCertificates",
    0x805A: "BadRequestCancelledByRequest",
    0x805B: "BadParentNodeIdInvalid",
    0x805C: "BadReferenceNotAllowed",
    0x805D: "BadNodeIdRejected",
    0x805E: "BadNodeIdExists",
    0x805F: "BadNodeClassInvalid",
    0x8060: "BadBrowseNameInvalid",
    0x8061: "BadBrowseNameDuplicated",
    0x8062: "BadNodeAttributesInvalid",
    0x8063: "BadTypeDefinitionInvalid",
    0x8064: "BadSourceNodeIdInvalid",
    0x8065: "BadTargetNodeIdInvalid",
    0x8066: "BadDuplicateReferenceNotAllowed",
    0x8067: "BadInvalidSelfReference",
    0x8068: "BadReferenceLocalOnly",
    0x8069: "BadNoDeleteRights",
    0x806A: "BadServerIndexInvalid",
    0x806B: "BadViewIdUnknown",
    0x806D: "BadTooManyMatches",
    0x806E: "BadQueryTooComplex",
    0x806F: "BadNoMatch",
    0x8070: "BadMaxAgeInvalid",
    0x8071: "BadHistoryOperationInvalid",
    0x8072: "BadHistoryOperationUnsupported",
    0x8073: "BadWriteNotSupported",
    0x8074: "BadTypeMismatch",
    0x8075: "BadMethodInvalid",
    0x8076: "BadArgumentsMissing",
    0x8077: "BadTooManySubscriptions",
    0x8078: "BadTooManyPublishRequests",
    0x8079: "BadNoSubscription",
    0x807A: "BadSequenceNumberUnknown",
    0x807B: "BadMessageNotAvailable",
    0x807C: "BadInsufficientClientProfile",
    0x807D: "BadTcpServerTooBusy",
    0x807E: "BadTcpMessageTypeInvalid",
    0x807F: "BadTcpSecureChannelUnknown",
    0x8080: "BadTcpMessageTooLarge",
    0x8081: "BadTcpNotEnoughResources",
    0x8082: "BadTcpInternalError",
    0x8083: "BadTcpEndpointUrlInvalid",
    0x8084: "BadRequestInterrupted",
    0x8085: "BadRequestTimeout",
    0x8086: "BadSecureChannelClosed",
    0x8087: "BadSecureChannelTokenUnknown",
    0x8088: "BadSequenceNumberInvalid",
    0x8089: "BadConfigurationError",
    0x808A: "BadNotConnected",
    0x808B: "BadDeviceFailure",
    0x808C: "BadSensorFailure",
    0x808D: "BadOutOfService",
    0x808E: "BadDeadbandFilterInvalid",
    0x8097: "BadRefreshInProgress",
    0x8098: "BadConditionAlreadyDisabled",
    0x8099: "BadConditionDisabled",
    0x809A: "BadEventIdUnknown",
    0x809B: "BadNoData",
    0x809D: "BadDataLost",
    0x809E: "BadDataUnavailable",
    0x809F: "BadEntryExists",
    0x80A0: "BadNoEntryExists",
    0x80A1: "BadTimestampNotSupported",
    0x80AB: "BadInvalidArgument",
    0x80AC: "BadConnectionRejected",
    0x80AD: "BadDisconnect",
    0x80AE: "BadConnectionClosed",
    0x80AF: "BadInvalidState",
    0x80B0: "BadEndOfStream",
    0x80B1: "BadNoDataAvailable",
    0x80B2: "BadWaitingForResponse",
    0x80B3: "BadOperationAbandoned",
    0x80B4: "BadExpectedStreamToBlock",
    0x80B5: "BadWouldBlock",
    0x80B6: "BadSyntaxError",
    0x80B7: "BadMaxConnectionsReached",
    0x80B8: "BadRequestTooLarge",
    0x80B9: "BadResponseTooLarge",
    0x80BB: "BadEventNotAcknowledgeable",
    0x80BD: "BadInvalidTimestampArgument",
    0x80BE: "BadProtocolVersionUnsupported",
    0x80BF: "BadStateNotActive",
    0x80C1: "BadFilterOperatorInvalid",
    0x80C2: "BadFilterOperatorUnsupported",
    0x80C3: "BadFilterOperandCountMismatch",
    0x80C4: "BadFilterElementInvalid",
    0x80C5: "BadFilterLiteralInvalid",
    0x80C6: "BadIdentityChangeNotSupported",
    0x80C8: "BadNotTypeDefinition",
    0x80C9: "BadViewTimestampInvalid",
    0x80CA: "BadViewParameterMismatch",
    0x80CB: "BadViewVersionInvalid",
    0x80CC: "BadConditionAlreadyEnabled",
    0x80CD: "BadDialogNotActive",
    0x80CE: "BadDialogResponseInvalid",
    0x80CF: "BadConditionBranchAlreadyAcked",
    0x80D0: "BadConditionBranchAlreadyConfirmed",
    0x80D1: "BadConditionAlreadyShelved",
    0x80D2: "BadConditionNotShelved",
    0x80D3: "BadShelvingTimeOutOfRange",
    0x80D4: "BadAggregateListMismatch",
    0x80D5: "BadAggregateNotSupported",
    0x80D6: "BadAggregateInvalidInputs",
    0x80D7: "BadBoundNotFound",
    0x80D8: "BadBoundNotSupported",
    0x80DA: "BadAggregateConfigurationRejected",
    0x80DB: "BadTooManyMonitoredItems",
    0x80E1: "BadDominantValueChanged",
    0x80E3: "BadDependentValueChanged",
    0x80E4: "BadRequestNotAllowed",
    0x80E5: "BadTooManyArguments",
    0x80E6: "BadSecurityModeInsufficient",
    0x80E7: "BadDataSetIdInvalid",
    0x80E8: "BadTransactionPending",
    0x80E9: "BadLocked",
    0x80EA: "BadIndexRangeDataMismatch",
    0x80EC: "BadRequiresLock",
    0x80ED: "BadLocaleNotSupported",
    0x80EE: "BadServerTooBusy",
    0x80F0: "BadNoValue",
    0x80F1: "BadTransactionFailed",
    0x810D: "BadCertificateChainIncomplete",
    0x810E: "BadLicenseExpired",
    0x810F: "BadLicenseLimitsExceeded",
    0x8110: "BadLicenseNotAvailable",
    0x8111: "BadNotExecutable",
    0x8112: "BadNumericOverflow",
    0x8113: "BadRequestNotComplete",
    0x8114: "BadCertificatePolicyCheckFailed",
    0x8115: "BadAlreadyExists",
    0x8119: "BadEdited_OutOfRange",
    0x811A: "BadInitialValue_OutOfRange",
    0x811B: "BadOutOfRange_DominantValueChanged",
    0x811C: "BadEdited_OutOfRange_DominantValueChanged",
    0x811D: "BadOutOfRange_DominantValueChanged_DependentValueChanged",
    0x811E: "BadEdited_OutOfRange_DominantValueChanged_DependentValueChanged",
    0x811F: "BadTicketRequired",
    0x8120: "BadTicketInvalid",
}
ATTRIBUTES = {  # [6] A.1
    1: "NodeId",
    2: "NodeClass",
    3: "BrowseName",
    4: "DisplayName",
    5: "Description",
    6: "WriteMask",
    7: "UserWriteMask",
    8: "IsAbstract",
    9: "Symmetric",
    10: "InverseName",
    11: "ContainsNoLoops",
    12: "EventNotifier",
    13: "Value",
    14: "DataType",
    15: "ValueRank",
    16: "ArrayDimensions",
    17: "AccessLevel",
    18: "UserAccessLevel",
    19: "MinimumSamplingInterval",
    20: "Historizing",
    21: "Executable",
    22: "UserExecutable",
    23: "DataTypeDefinition",
    24: "RolePermissions",
    25: "UserRolePermissions",
    26: "AccessRestrictions",
    27: "AccessLevelEx",
}
