/** `wirescript`: load packet programs into the kernel, attach them, and talk to them through typed maps. */
export { type ErrorCode, EXIT_MEANING, EXIT_STATUS, WirescriptError } from "./errors.ts";
export type { ObjectSpec } from "./object/spec.ts";
export {
  type Attachment,
  describeAttachment,
  describeHook,
  type LinkInKernel,
  listAttachments,
  listBpfLinks,
} from "./runtime/attachments.ts";
export { EventReader } from "./runtime/events/event-reader.ts";
export type { PerfEvent } from "./runtime/events/perf-source.ts";
export { type DeviceFeatures, deviceFeatures } from "./runtime/features/device.ts";
export { type KernelFeatures, kernelFeatures } from "./runtime/features/kernel.ts";
export { listPrograms, openPinnedMap, programInfo } from "./runtime/introspect.ts";
export { type AdoptOptions, adoptLink, openPinnedLink } from "./runtime/links/adopt.ts";
export { BpfLink } from "./runtime/links/bpf-link.ts";
export { attachChain, Chain, openChain } from "./runtime/links/chain.ts";
export { ClsactLink } from "./runtime/links/clsact-link.ts";
export { type AttachedProgram, attachedXdp } from "./runtime/links/device.ts";
export { type FollowEvent, Following, type FollowOptions, follow } from "./runtime/links/follow.ts";
export { holdersOfLink, type LinkHolders } from "./runtime/links/holders.ts";
export { ChainStep, loadStep, type StepOptions } from "./runtime/links/loaded-step.ts";
export { inNetwork, type NetworkNamespace } from "./runtime/links/network-namespace.ts";
export {
  attachTcPersistently,
  type DetachTcOptions,
  detachTc,
  type PersistentTcAttachment,
  type TcAttachOptions,
  type TcFilterOptions,
  type TcLink,
} from "./runtime/links/tc.ts";
export { type AttachedTcProgram, attachedTc, tcxRevision } from "./runtime/links/tc-attached.ts";
export { type TcNeighbour, type TcOrder, TcxLink } from "./runtime/links/tcx-link.ts";
export { type XdpAttachOptions, XdpLink, type XdpLinkInfo } from "./runtime/links/xdp-link.ts";
export {
  attachPersistently,
  type DetachXdpOptions,
  detachXdp,
  type PersistentAttachment,
} from "./runtime/links/xdp-netlink.ts";
export { type LoadOptions, load, loadSpec } from "./runtime/load.ts";
export { LoadedObject } from "./runtime/loaded-object.ts";
export { ArrayMap, PerCpuArrayMap } from "./runtime/maps/array.ts";
export { BloomFilterMap } from "./runtime/maps/bloom-filter.ts";
export type { UpdateMode } from "./runtime/maps/elements.ts";
export { HashMap, PerCpuHashMap } from "./runtime/maps/hash.ts";
export { LpmTrieMap } from "./runtime/maps/lpm-trie.ts";
export { BpfMap, type MapInfo, OpaqueMap } from "./runtime/maps/map.ts";
export { MapOfMaps } from "./runtime/maps/map-in-map.ts";
export { MappedArray } from "./runtime/maps/mapped-array.ts";
export type { LoadedMap } from "./runtime/maps/open.ts";
export { mapIds, openMapById } from "./runtime/maps/open-existing.ts";
export { PerfEventArray, PerfReader, type PerfReaderOptions } from "./runtime/maps/perf-event-array.ts";
export { type PushOptions, QueueMap, StackMap } from "./runtime/maps/queue.ts";
export { type ReaderOptions, RingBufferMap, RingBufferReader } from "./runtime/maps/ring-buffer.ts";
export {
  type CpuEntry,
  CpuMap,
  type CpuTarget,
  type DeviceEntry,
  type DeviceTarget,
  DevMap,
  ProgArray,
  type ProgramReference,
  XskMap,
} from "./runtime/maps/targets.ts";
export type {
  ObjectMap,
  ObjectMapOfMaps,
  ObjectProgram,
  ObjectRecords,
  ObjectValues,
  ObjectVariable,
} from "./runtime/object-types.ts";
export { openPinnedProgram, openProgram } from "./runtime/open-program.ts";
export { unpin } from "./runtime/pin.ts";
export { listPins, type Pin } from "./runtime/pins.ts";
export { LoadedProgram, type ProgramInfo } from "./runtime/program.ts";
export type { Source } from "./runtime/source.ts";
export { type ProgramActivity, ProgramStatistics } from "./runtime/statistics.ts";
export type { SkbTestContext, TestContext, XdpTestContext } from "./runtime/test-context.ts";
export type { LiveRunOptions, LiveRunResult, RunOptions, RunResult } from "./runtime/test-run.ts";
export { type LostLines, openTrace, type Trace, type TraceLine } from "./runtime/trace.ts";
export type { LoadedMapOf, MapsOf, ProgramsOf } from "./runtime/typed.ts";
export { VerifierError } from "./runtime/verifier-log.ts";
export { type Place, placeText } from "./runtime/xdp-events/places.ts";
export type { XdpEventName } from "./runtime/xdp-events/tracepoints.ts";
export {
  type Named,
  type XdpEventCount,
  type XdpEventCounts,
  type XdpEventOptions,
  XdpEvents,
} from "./runtime/xdp-events/xdp-events.ts";
