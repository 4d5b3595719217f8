/** What the kernel tells about a program, map, link or BTF behind a descriptor (BPF_OBJ_GET_INFO_BY_FD). */
import { bpf } from "./bpf-call.ts";
import { BPF, TCX } from "./bpf-constants.ts";
import { type Field, INFO, type InfoLayout } from "./bpf-layout.ts";
import type { BtfFd, Fd, LinkFd, MapFd, ProgramFd } from "./fd.ts";
import { addressOf } from "./ffi.ts";

export interface KernelProgramInfo {
  id: number;
  /** `enum bpf_prog_type`. */
  type: number;
  /** At most 15 bytes. */
  name: string;
  /** Hash of the instructions, 16 hex digits. */
  tag: string;
  /** Bytes of eBPF after the verifier's rewriting. */
  xlatedBytes: number;
  /** Bytes of machine code; 0 when it is interpreted. */
  jitedBytes: number;
  /** Instructions that the verifier looked at (Linux 5.16; 0 before). */
  verifiedInstructions: number;
  mapIds: number[];
  /** Nanoseconds since boot. */
  loadTime: bigint;
  uid: number;
  /** Its license lets it use all helpers. */
  gplCompatible: boolean;
  /** 0 without BTF. */
  btfId: number;
  /** Nanoseconds and runs, counted only while statistics are on (BPF_ENABLE_STATS). */
  runTime: bigint;
  runCount: bigint;
  /** Runs left out because the program was already running on that CPU (Linux 5.12). */
  recursionMisses: bigint;
}

export interface KernelMapInfo {
  id: number;
  /** `enum bpf_map_type`. */
  type: number;
  name: string;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags: number;
  /** map_extra: a Bloom filter's number of hash functions. */
  extra: number;
  /** 0 without BTF. */
  btfId: number;
  keyTypeId: number;
  valueTypeId: number;
}

export interface KernelLinkInfo {
  id: number;
  /** `enum bpf_link_type`. */
  type: number;
  programId: number;
  /** The device of an XDP or TCX link, 0 when the link is detached; null for another type. */
  ifindex: number | null;
  /** `enum bpf_attach_type` of a TCX link: BPF_TCX_INGRESS or BPF_TCX_EGRESS; null for another type. */
  attachType: number | null;
}

/** @throws SyscallError */
export function programInfo(fd: ProgramFd): KernelProgramInfo {
  // Asked twice, because the number of maps must be known to receive their ids.
  const count = read(fd, INFO.program).u32("nr_map_ids");
  const ids = new Uint32Array(count);
  const info = read(fd, INFO.program, {
    address: "map_ids",
    length: "nr_map_ids",
    count,
    memory: new Uint8Array(ids.buffer),
  });
  return {
    id: info.u32("id"),
    type: info.u32("type"),
    name: info.name("name"),
    tag: info.hex("tag"),
    xlatedBytes: info.u32("xlated_prog_len"),
    jitedBytes: info.u32("jited_prog_len"),
    verifiedInstructions: info.u32("verified_insns"),
    mapIds: [...ids],
    loadTime: info.u64("load_time"),
    uid: info.u32("created_by_uid"),
    // A bit field, which has no offset that C could tell: the word behind the device's index.
    gplCompatible: (info.u32("ifindex", 4) & 1) === 1,
    btfId: info.u32("btf_id"),
    runTime: info.u64("run_time_ns"),
    runCount: info.u64("run_cnt"),
    recursionMisses: info.u64("recursion_misses"),
  };
}

/** @throws SyscallError */
export function mapInfo(fd: MapFd): KernelMapInfo {
  const info = read(fd, INFO.map);
  return {
    id: info.u32("id"),
    type: info.u32("type"),
    name: info.name("name"),
    keySize: info.u32("key_size"),
    valueSize: info.u32("value_size"),
    maxEntries: info.u32("max_entries"),
    flags: info.u32("map_flags"),
    extra: Number(info.u64("map_extra")),
    btfId: info.u32("btf_id"),
    keyTypeId: info.u32("btf_key_type_id"),
    valueTypeId: info.u32("btf_value_type_id"),
  };
}

/** @throws SyscallError */
export function linkInfo(fd: LinkFd): KernelLinkInfo {
  const info = read(fd, INFO.link);
  const type = info.u32("type");
  return {
    id: info.u32("id"),
    type,
    programId: info.u32("prog_id"),
    ifindex: type === BPF.BPF_LINK_TYPE_XDP || type === TCX.BPF_LINK_TYPE_TCX ? info.u32("xdp.ifindex") : null,
    attachType: type === TCX.BPF_LINK_TYPE_TCX ? info.u32("tcx.attach_type") : null,
  };
}

/** The BTF's bytes as the kernel holds them. @throws SyscallError */
export function btfBytes(fd: BtfFd): Uint8Array {
  const size = read(fd, INFO.btf).u32("btf_size");
  const memory = new Uint8Array(size);
  read(fd, INFO.btf, { address: "btf", length: "btf_size", count: size, memory });
  return memory;
}

/** @throws SyscallError */
export function btfInfo(fd: BtfFd): { id: number; size: number; kernel: boolean } {
  const info = read(fd, INFO.btf);
  return { id: info.u32("id"), size: info.u32("btf_size"), kernel: info.u32("kernel_btf") !== 0 };
}

interface Extra {
  address: string;
  length: string;
  count: number;
  memory: Uint8Array;
}

function read(fd: Fd, layout: InfoLayout, buffer?: Extra) {
  const bytes = new Uint8Array(layout.size);
  const view = new DataView(bytes.buffer);
  const offset = (field: string) => (layout.fields[field] as Field)[0];
  if (buffer !== undefined) {
    view.setBigUint64(offset(buffer.address), addressOf(buffer.memory), true);
    view.setUint32(offset(buffer.length), buffer.count, true);
  }
  bpf("OBJ_GET_INFO_BY_FD", { bpf_fd: fd.number, info_len: bytes.length, info: bytes });
  return {
    u32: (field: string, behind = 0) => view.getUint32(offset(field) + behind, true),
    u64: (field: string) => view.getBigUint64(offset(field), true),
    hex: (field: string) => Buffer.from(bytes.buffer, offset(field), 8).toString("hex"),
    name: (field: string) => {
      const name = bytes.subarray(offset(field), offset(field) + 16);
      const end = name.indexOf(0);
      return new TextDecoder().decode(end < 0 ? name : name.subarray(0, end));
    },
  };
}
