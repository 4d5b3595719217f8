/** The map that says where packets leave has nothing in it. */
import { MAP_TYPE } from "../../object/spec.ts";
import { inside, nameOf, placeOf, word } from "../shell.ts";
import { describeMap, type Subject } from "../snapshot/index.ts";
import { describeProgram, perSubject, programsOn } from "./check.ts";

const DEVICES = new Set<number>([MAP_TYPE.DEVMAP, MAP_TYPE.DEVMAP_HASH]);
/** Packets that may wait for one CPU, as the kernel's samples have it. */
const QUEUE_SIZE = 192;

export const redirectMapEmpty = perSubject("redirect-map-empty", (subject, { subjects }) =>
  programsOn(subject.device).flatMap((program) =>
    program.maps
      .filter(({ type, entries }) => (DEVICES.has(type) || type === MAP_TYPE.CPUMAP) && entries.length === 0)
      .map((map) => {
        const value = map.type === MAP_TYPE.CPUMAP ? `${QUEUE_SIZE}` : word(otherDevice(subject, subjects));
        return {
          place: placeOf(subject.device),
          what: `The map ${describeMap(map)}, by which ${describeProgram(program)} on ${nameOf(subject.device)} redirects, is empty.`,
          evidence: `0 of ${map.maxEntries} entries (${map.typeName}).`,
          why: "A redirect to an entry that is not there does not send the packet: it is dropped as XDP_ABORTED, or gets the verdict that the program gave as the alternative. Entries also go when their device goes.",
          // A devmap takes devices of the namespace that it is written from.
          fix: { command: inside(subject.device.network, `wirescript maps set ${map.id} 0 ${value}`), safe: false },
        };
      }),
  ),
);

/** Where packets could go: another device with a program, else with a cable. */
function otherDevice({ device }: Subject, subjects: readonly Subject[]): string {
  const examined = subjects.find((other) => other.device.network === device.network && other.device !== device)?.device.link;
  const others = device.network.links.filter(({ ifindex, name }) => ifindex !== device.link.ifindex && name !== "lo");
  return (examined ?? others.find(({ xdp }) => xdp.length > 0) ?? others[0])?.name ?? "DEV";
}
