/**
 * The program that stands at a tracepoint and counts: it makes a key of what the tracepoint tells, finds the counters of that key, and adds. Counting in
 * the kernel costs some 100 ns an event and loses none, where copying each event to user space would lose most of them when many packets go
 * wrong. It reads the kernel's own structures, so it knows the network namespace of a device, which the formatted tracepoints do not tell.
 *
 * R6 is the context, R7 the device, R8 the program or the target, R9 the target's device.
 */
import { HELPER } from "../../object/helpers.ts";
import { MAP_TYPE } from "../../object/spec.ts";
import { BPF } from "../../sys/bpf.ts";
import {
  address,
  addTo,
  type Code,
  call,
  copy,
  either,
  FRAME,
  ifDifferent,
  ifEqual,
  LEAVE,
  load,
  mapAddress,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R9,
  set,
  store,
  storeNumber,
} from "./code.ts";
import type { KernelLayout } from "./kernel-layout.ts";
import type { Argument, Tracepoint } from "./tracepoints.ts";

/** Offsets in bytes of the numbers that make up a key, 4 bytes each. What does not apply is 0. */
export const KEY = {
  event: 0,
  error: 4,
  action: 8,
  program: 12,
  ifindex: 16,
  netns: 20,
  targetIfindex: 24,
  targetNetns: 28,
  map: 32,
  index: 36,
  cpu: 40,
  toCpu: 44,
} as const;
export const KEY_SIZE = 48;

/** Offsets in bytes of a key's counters, 8 bytes each. */
export const VALUE = { events: 0, packets: 8, drops: 16, passed: 24, dropped: 32, redirected: 40 } as const;
export const VALUE_SIZE = 48;

/** A device's key is its network namespace and its ifindex, 4 bytes each; its value is its name when it was first met. */
export const DEVICE_KEY_SIZE = 8;
export const DEVICE_NAME_SIZE = 16;

/** Places on the stack. */
const STACK = { key: -48, zeros: -96, deviceKey: -104, deviceName: -120, pointer: -128, target: -136 } as const;

/** A redirect without map has this as the map's id (INT_MAX). */
const NO_MAP = 0x7fffffff;

export interface CountingMaps {
  /** Hash by KEY, per CPU. */
  counts: number;
  /** Hash. */
  devices: number;
  /** Array of one number: events for which there was no room. */
  lost: number;
}

/** `event`: the number that stands for the tracepoint in keys; `maps`: open descriptors. */
export function countingProgram(tracepoint: Tracepoint, event: number, maps: CountingMaps, layout: KernelLayout): Code {
  const at = (argument: Argument) => tracepoint.arguments.indexOf(argument) * 8;
  const has = (argument: Argument) => tracepoint.arguments.includes(argument);
  const only = (argument: Argument, code: () => Code): Code => (has(argument) ? code() : []);
  const number = (argument: Argument, field: number): Code =>
    only(argument, () => [...load("DW", R1, R6, at(argument)), ...store("W", FRAME, STACK.key + field, R1)]);

  return [
    ...copy(R6, R1),
    ...zeros(STACK.key, KEY_SIZE),
    ...set(R7, 0),
    ...set(R9, 0),
    ...storeNumber("W", FRAME, STACK.key + KEY.event, event),
    ...number("action", KEY.action),
    ...number("error", KEY.error),
    ...number("to cpu", KEY.toCpu),
    ...only("to cpu", onThisCpu),
    ...only("verdicts", onThisCpu),
    ...only("device", () => [...load("DW", R7, R6, at("device")), ...describeDevice(R7, KEY.ifindex, KEY.netns, layout)]),
    ...only("program", () => [
      ...load("DW", R8, R6, at("program")),
      ...load("DW", R1, R8, layout.program.aux),
      ...load("W", R1, R1, layout.programAux.id),
      ...store("W", FRAME, STACK.key + KEY.program, R1),
    ]),
    ...only("target device", () => [
      ...load("DW", R9, R6, at("target device")),
      ...describeDevice(R9, KEY.targetIfindex, KEY.targetNetns, layout),
    ]),
    ...(has("target") ? redirectTarget(at, layout) : number("map", KEY.map)),
    ...findCounters(maps, layout),
    ...count(VALUE.events, set(R1, 1)),
    ...only("packets", () => count(VALUE.packets, load("DW", R1, R6, at("packets")))),
    ...only("drops", () => count(VALUE.drops, load("DW", R1, R6, at("drops")))),
    ...only("verdicts", () => {
      const verdict = (field: number, offset: number) =>
        count(field, [...load("DW", R1, R6, at("verdicts")), ...load("W", R1, R1, offset)]);
      const { pass, drop, redirect } = layout.cpumapStats;
      return [...verdict(VALUE.passed, pass), ...verdict(VALUE.dropped, drop), ...verdict(VALUE.redirected, redirect)];
    }),
    ...LEAVE,
  ];
}

function onThisCpu(): Code {
  return [...call(HELPER.get_smp_processor_id), ...store("W", FRAME, STACK.key + KEY.cpu, R0)];
}

function zeros(from: number, size: number): Code {
  return Array.from({ length: size / 8 }, (_, index) => storeNumber("DW", FRAME, from + index * 8, 0)).flat();
}

function describeDevice(device: number, ifindex: number, netns: number, layout: KernelLayout): Code {
  return [
    ...load("W", R1, device, layout.device.ifindex),
    ...store("W", FRAME, STACK.key + ifindex, R1),
    ...load("DW", R1, device, layout.device.net),
    ...ifDifferent(R1, 0, [...load("W", R1, R1, layout.net.inum), ...store("W", FRAME, STACK.key + netns, R1)]),
  ];
}

/** Without a map the index is the target's ifindex, in the namespace of the device; with a device map the entry names the device. */
function redirectTarget(at: (argument: Argument) => number, layout: KernelLayout): Code {
  const ofDevice: Code = [
    ...load("DW", R1, R6, at("index")),
    ...store("W", FRAME, STACK.key + KEY.targetIfindex, R1),
    ...load("W", R1, FRAME, STACK.key + KEY.netns),
    ...store("W", FRAME, STACK.key + KEY.targetNetns, R1),
  ];
  const ofMap: Code = [
    ...store("W", FRAME, STACK.key + KEY.map, R8),
    ...load("DW", R1, R6, at("index")),
    ...store("W", FRAME, STACK.key + KEY.index, R1),
    ...load("DW", R8, R6, at("map type")),
    ...ifEqual(R8, MAP_TYPE.DEVMAP, set(R8, MAP_TYPE.DEVMAP_HASH)),
    ...ifEqual(R8, MAP_TYPE.DEVMAP_HASH, entryOfDeviceMap(at, layout)),
  ];
  return [...load("DW", R8, R6, at("map")), ...either(R8, NO_MAP, ofDevice, ofMap)];
}

function entryOfDeviceMap(at: (argument: Argument) => number, layout: KernelLayout): Code {
  // Nothing is said to the verifier about what the tracepoint's pointer points to, so it is followed with care. Null: to all devices of the map.
  return [
    ...load("DW", R1, R6, at("target")),
    ...ifDifferent(R1, 0, [
      ...readKernel(STACK.pointer, 8, R1, layout.devmapEntry.dev),
      ...load("DW", R9, FRAME, STACK.pointer),
      ...readKernel(STACK.target, 4, R9, layout.device.ifindex),
      ...load("W", R1, FRAME, STACK.target),
      ...store("W", FRAME, STACK.key + KEY.targetIfindex, R1),
      ...readKernel(STACK.pointer, 8, R9, layout.device.net),
      ...load("DW", R1, FRAME, STACK.pointer),
      ...readKernel(STACK.target, 4, R1, layout.net.inum),
      ...load("W", R1, FRAME, STACK.target),
      ...store("W", FRAME, STACK.key + KEY.targetNetns, R1),
    ]),
  ];
}

/** Copies from the kernel's memory to the stack; zeros when there is nothing to be read (Linux 5.5). */
function readKernel(to: number, size: number, from: number, offset: number): Code {
  return [...address(R3, from, offset), ...address(R1, FRAME, to), ...set(R2, size), ...call(HELPER.probe_read_kernel)];
}

/** R8 becomes the address of the key's counters, which are made if there are none. */
function findCounters(maps: CountingMaps, layout: KernelLayout): Code {
  const lookup: Code = [
    ...mapAddress(R1, maps.counts),
    ...address(R2, FRAME, STACK.key),
    ...call(HELPER.map_lookup_elem),
    ...copy(R8, R0),
  ];
  const make: Code = [
    ...zeros(STACK.zeros, VALUE_SIZE),
    ...mapAddress(R1, maps.counts),
    ...address(R2, FRAME, STACK.key),
    ...address(R3, FRAME, STACK.zeros),
    ...set(R4, BPF.BPF_NOEXIST),
    ...call(HELPER.map_update_elem),
    ...ifDifferent(R7, 0, rememberName(R7, KEY.ifindex, KEY.netns, maps, layout)),
    ...ifDifferent(R9, 0, rememberName(R9, KEY.targetIfindex, KEY.targetNetns, maps, layout)),
    ...lookup,
  ];
  const lose: Code = [
    ...storeNumber("W", FRAME, STACK.target, 0),
    ...mapAddress(R1, maps.lost),
    ...address(R2, FRAME, STACK.target),
    ...call(HELPER.map_lookup_elem),
    ...ifDifferent(R0, 0, [...set(R1, 1), ...addTo(R0, 0, R1)]),
    ...LEAVE,
  ];
  return [...lookup, ...ifEqual(R8, 0, make), ...ifEqual(R8, 0, lose)];
}

function rememberName(device: number, ifindex: number, netns: number, maps: CountingMaps, layout: KernelLayout): Code {
  return [
    ...load("W", R1, FRAME, STACK.key + netns),
    ...store("W", FRAME, STACK.deviceKey, R1),
    ...load("W", R1, FRAME, STACK.key + ifindex),
    ...store("W", FRAME, STACK.deviceKey + 4, R1),
    ...readKernel(STACK.deviceName, DEVICE_NAME_SIZE, device, layout.device.name),
    ...mapAddress(R1, maps.devices),
    ...address(R2, FRAME, STACK.deviceKey),
    ...address(R3, FRAME, STACK.deviceName),
    ...set(R4, BPF.BPF_ANY),
    ...call(HELPER.map_update_elem),
  ];
}

/** Adds what `amount` leaves in R1. */
function count(field: number, amount: Code): Code {
  return [...amount, ...addTo(R8, field, R1)];
}
