"""The Container Runtime Interface, runtime.v1: what a kubelet says to containerd or CRI-O over a unix socket.

    client = Client("/run/containerd/containerd.sock")
    sandbox = client.call("RunPodSandbox", {"config": {...}})["pod_sandbox_id"]

Requests and answers are plain dictionaries with the names of kubernetes/cri-api, pkg/apis/runtime/v1/api.proto; a name that
is not in MESSAGES is an error, so that nothing is lost on its way. Of that interface there is here what pods of tests need.
"""
import grpc
from google.protobuf import descriptor_pb2, json_format, message_factory

# message: field=number[:type][*], the type being string if nothing is said; * is a list, "map" one of strings.
MESSAGES = """
VersionRequest: version=1
VersionResponse: version=1 runtime_name=2 runtime_version=3 runtime_api_version=4

IDMapping: host_id=1:uint32 container_id=2:uint32 length=3:uint32
UserNamespace: mode=1:int32 uids=2:IDMapping* gids=3:IDMapping*
NamespaceOption: network=1:int32 pid=2:int32 ipc=3:int32 target_id=4 userns_options=5:UserNamespace
Int64Value: value=1:int64
SecurityProfile: profile_type=1:int32 localhost_ref=2
Capability: add_capabilities=1* drop_capabilities=2* add_ambient_capabilities=3*

PodSandboxMetadata: name=1 uid=2 namespace=3 attempt=4:uint32
DNSConfig: servers=1* searches=2* options=3*
LinuxSandboxSecurityContext: namespace_options=1:NamespaceOption run_as_user=3:Int64Value readonly_rootfs=4:bool
    supplemental_groups=5:int64* privileged=6:bool run_as_group=8:Int64Value seccomp=9:SecurityProfile
LinuxPodSandboxConfig: cgroup_parent=1 security_context=2:LinuxSandboxSecurityContext sysctls=3:map
PodSandboxConfig: metadata=1:PodSandboxMetadata hostname=2 log_directory=3 dns_config=4:DNSConfig labels=6:map
    annotations=7:map linux=8:LinuxPodSandboxConfig
RunPodSandboxRequest: config=1:PodSandboxConfig runtime_handler=2
RunPodSandboxResponse: pod_sandbox_id=1
StopPodSandboxRequest: pod_sandbox_id=1
StopPodSandboxResponse:
RemovePodSandboxRequest: pod_sandbox_id=1
RemovePodSandboxResponse:

ContainerMetadata: name=1 attempt=2:uint32
ImageSpec: image=1
KeyValue: key=1 value=2
Mount: container_path=1 host_path=2 readonly=3:bool selinux_relabel=4:bool propagation=5:int32 uidMappings=6:IDMapping*
    gidMappings=7:IDMapping*
LinuxContainerResources: cpu_shares=3:int64 memory_limit_in_bytes=4:int64 oom_score_adj=5:int64
LinuxContainerSecurityContext: capabilities=1:Capability privileged=2:bool namespace_options=3:NamespaceOption
    run_as_user=5:Int64Value run_as_username=6 readonly_rootfs=7:bool supplemental_groups=8:int64* no_new_privs=11:bool
    run_as_group=12:Int64Value masked_paths=13* readonly_paths=14* seccomp=15:SecurityProfile
LinuxContainerConfig: resources=1:LinuxContainerResources security_context=2:LinuxContainerSecurityContext
ContainerConfig: metadata=1:ContainerMetadata image=2:ImageSpec command=3* args=4* working_dir=5 envs=6:KeyValue*
    mounts=7:Mount* labels=9:map annotations=10:map log_path=11 linux=15:LinuxContainerConfig
CreateContainerRequest: pod_sandbox_id=1 config=2:ContainerConfig sandbox_config=3:PodSandboxConfig
CreateContainerResponse: container_id=1
StartContainerRequest: container_id=1
StartContainerResponse:
StopContainerRequest: container_id=1 timeout=2:int64
StopContainerResponse:
ContainerStatus: id=1 metadata=2:ContainerMetadata state=3:int32 created_at=4:int64 started_at=5:int64 finished_at=6:int64
    exit_code=7:int32 reason=10 message=11 log_path=15
ContainerStatusRequest: container_id=1 verbose=2:bool
ContainerStatusResponse: status=1:ContainerStatus info=2:map
"""

# Of the enumerations.
NAMESPACE_POD, NAMESPACE_CONTAINER, NAMESPACE_NODE = range(3)
PROFILE_RUNTIME_DEFAULT, PROFILE_UNCONFINED, PROFILE_LOCALHOST = range(3)
CONTAINER_EXITED = 2

PACKAGE = "runtime.v1"
FIELD = descriptor_pb2.FieldDescriptorProto


def add_field(message, text):
    name, _, rest = text.partition("=")
    repeated = rest.endswith("*")
    number, _, kind = rest.rstrip("*").partition(":")
    kind = kind or "string"
    field = message.field.add(name=name, number=int(number), label=FIELD.LABEL_OPTIONAL)
    if repeated or kind == "map":
        field.label = FIELD.LABEL_REPEATED
    if kind == "map":
        # A map is a list of entries, each with a key and a value (protobuf.dev, "Backwards compatibility" of maps).
        entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
        entry.options.map_entry = True
        add_field(entry, "key=1")
        add_field(entry, "value=2")
        field.type, field.type_name = FIELD.TYPE_MESSAGE, f".{PACKAGE}.{message.name}.{entry.name}"
    elif kind[0].isupper():
        field.type, field.type_name = FIELD.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = FIELD.Type.Value("TYPE_" + kind.upper())


def make_messages():
    file = descriptor_pb2.FileDescriptorProto(name="cri.proto", package=PACKAGE, syntax="proto3")
    message = None
    for line in MESSAGES.splitlines():
        if line and not line[0].isspace():
            name, _, line = line.partition(":")
            message = file.message_type.add(name=name)
        for text in line.split():
            add_field(message, text)
    return message_factory.GetMessages([file])


class Client:
    """One connection. call() raises grpc.RpcError, whose details() are the runtime's own words."""

    def __init__(self, socket):
        self.channel = grpc.insecure_channel("unix://" + socket)
        self.messages = make_messages()

    def call(self, name, request=None, timeout=120):
        ask, answer = (self.messages[f"{PACKAGE}.{name}{end}"] for end in ("Request", "Response"))
        method = self.channel.unary_unary(f"/{PACKAGE}.RuntimeService/{name}", request_serializer=ask.SerializeToString,
                                          response_deserializer=answer.FromString)
        # As everywhere in this encoding, what is 0 or empty is not there.
        return json_format.MessageToDict(method(json_format.ParseDict(request or {}, ask()), timeout=timeout),
                                         preserving_proto_field_name=True)
