/** Desired states as people write them, and what they are told about their mistakes. */
import { describe, expect, it } from "vitest";
import { completeState, readDocument } from "./document.ts";
import { InvalidState } from "./refusals.ts";

/** "line:column pointer what fix" of each problem. */
function problemsOf(text: string, surroundings = {}): string[] {
  try {
    readDocument(text, { surroundings });
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidState);
    return (error as InvalidState).problems.map(
      ({ line, column, path, what, fix }) => `${line}:${column} ${path} ${what}${fix === undefined ? "" : ` ${fix}`}`,
    );
  }
  return [];
}

/** A service whose backend has these fields. */
const backend = (fields: string, service = "") => `services:
- name: web
  address: 192.0.2.1
  port: 80
  protocol: tcp
  ${service}
  backends: [{${fields}}]
`;

describe("a document", () => {
  it("becomes a state with everything that it leaves out", () => {
    expect(
      readDocument(`
devices: [{ name: eth0 }]
services:
  - name: web
    address: 192.0.2.1
    port: 80
    protocol: tcp
    check: { type: http, path: /health }
    backends:
      - address: 10.0.0.1
        port: 8080
      - { address: 10.0.0.2, weight: 50, drain: true, drainSeconds: 60 }
`),
    ).toEqual({
      version: 1,
      devices: [{ name: "eth0", mode: "auto" }],
      tableSize: 65_537,
      natPorts: { first: 1024, count: 64_512 },
      newFlowsPerSecond: 125_000,
      mtu: 1500,
      services: [
        {
          name: "web",
          address: "192.0.2.1",
          port: 80,
          protocol: "tcp",
          mode: "nat",
          affinity: "connection",
          check: { type: "http", path: "/health", interval: 2, timeout: 1, rise: 2, fall: 3, status: [200] },
          minimumUp: 0.5,
          backends: [
            { name: "10.0.0.1:8080", address: "10.0.0.1", port: 8080, weight: 100, drain: false },
            { name: "10.0.0.2", address: "10.0.0.2", weight: 50, drain: true, drainSeconds: 60 },
          ],
        },
      ],
    });
  });

  it("may be JSON, and have no services, if it says so", () => {
    expect(readDocument("{}")).toEqual(readDocument("services: []"));
    expect(readDocument('{"services": [], "mtu": 9000}').mtu).toBe(9000);
  });

  it.each(["", "\n", "# nothing yet\n", "null", "~"])("without content is refused: %j", (text) => {
    expect(problemsOf(text)).toEqual(["1:1  It says nothing. Write `services: []` if there are to be none."]);
  });

  it("what it became is what it becomes again", () => {
    const text = backend("address: '2001:DB8:0::1', port: 8080", "mode: ipip").replace("port: 8080", "");
    const state = readDocument(text);
    expect(state.services[0]?.backends[0]).toMatchObject({ address: "2001:db8::1", name: "2001:db8::1" });
    expect(readDocument(JSON.stringify(state))).toEqual(state);
    expect(completeState(structuredClone(state))).toEqual(state);
  });

  it("has its addresses written as everybody writes them", () => {
    const state = readDocument(
      "services: [{ name: a, address: 2001:DB8:0:0::/64, port: all, protocol: udp }, { name: b, address: 192.0.2.7/32, port: 1, protocol: udp }]",
    );
    expect(state.services.map(({ address }) => address)).toEqual(["2001:db8::/64", "192.0.2.7"]);
  });

  it("keeps MAC addresses and words as text", () => {
    const state = readDocument(backend("address: 10.0.0.1, mac: 02:00:00:00:00:01, device: no", "mode: direct"));
    expect(state.services[0]?.backends[0]).toMatchObject({ mac: "02:00:00:00:00:01", device: "no" });
  });

  it("does not call two backends the same that have no name, and no address to be called by", () => {
    const problems = problemsOf(backend("address: nowhere }, { address: elsewhere"));
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain("already");
  });

  it("says how a check's path begins", () => {
    const [problem] = problemsOf(backend("address: 10.0.0.1", "check: { type: http, path: healthz }"));
    expect(problem).toContain('It is "healthz". Give text of 0 to 2048 characters. It begins with /');
  });

  it("tells all problems of all parts, in order", () => {
    expect(
      problemsOf(`version: 2
mtu: 100
colour: blue
devices:
- name: a-name-that-is-too-long
services:
- name: -web
  port: http
  protocol: sctp
  adress: 192.0.2.1
  check:
    type: http
    interval: 0
    status: []
  backends:
  - weight: 1.5
    drain: perhaps
`),
    ).toEqual([
      "1:10 /version It is 2. Give 1.",
      "2:6 /mtu It is 100. Give a whole number from 576 to 9000. The largest packet that goes into the network with its outer headers, in bytes.",
      "3:9 /colour There is no such field here. There are version, devices, source4, source6, tableSize, natPorts, newFlowsPerSecond, mtu, services.",
      '5:9 /devices/0/name It is "a-name-that-is-too-long". Give text of 1 to 15 characters.',
      "7:3 /services/0/address It is missing. Give text of 2 to 49 characters. An IPv4 or IPv6 address, or a prefix of addresses such as 192.0.2.0/24.",
      '7:9 /services/0/name It is "-web". Give text. Letters, digits, and ._:- within.',
      '8:9 /services/0/port It is "http". Give a whole number from 1 to 65535 or all. A port, or all of them.',
      '9:13 /services/0/protocol It is "sctp". Give one of tcp, udp.',
      "10:11 /services/0/adress There is no such field here. Did you mean address?",
      "13:15 /services/0/check/interval It is 0. Give a number from 0.1 to 3600. In seconds.",
      "14:13 /services/0/check/status The list is empty. Give at least 1.",
      "16:5 /services/0/backends/0/address It is missing. Give text of 2 to 45 characters. An IPv4 or IPv6 address.",
      "16:13 /services/0/backends/0/weight It is 1.5. Give a whole number from 0 to 65535. Its share of new connections, beside the others'.",
      '17:12 /services/0/backends/0/drain It is "perhaps". Give true or false. Keeps its connections, and gets no new ones.',
    ]);
  });

  it.each([
    ["a: [1", "1:6", "Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ["mtu: 1500\nmtu: 1600", "2:1", "Map keys must be unique"],
    ["mtu: 1500\n---\nmtu: 1600", "2:1", "Source contains multiple documents"],
    ["mtu: !!js/function x", "1:6", "Unresolved tag"],
  ])("%j: is no YAML", (text, place, what) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(place)]);
    expect(problemsOf(text)[0]).toContain(what);
  });

  it("does not follow aliases without end", () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg"]) bomb.push(`${to}: &${to} [${`*${from}, `.repeat(9)}]`);
    expect(problemsOf(bomb.join("\n"))).toEqual([expect.stringContaining("Excessive alias count")]);
  });

  it.each([
    ["[]", "/ It is a list, and takes fields."],
    ["services: {}", "/services It is an object, and takes a list."],
    ["services: [~]", "/services/0 It is null, and takes fields."],
    ["services: [1]", "/services/0 It is 1, and takes fields."],
    ["natPorts: 7", "/natPorts It is 7, and takes fields."],
    ["mtu: .nan", "/mtu It is NaN."],
    ["mtu: 1e999", "/mtu It is Infinity."],
    ["mtu: ''", '/mtu It is "".'],
    ["__proto__: { mtu: 1 }", "/__proto__ There is no such field here."],
    ["'a/b~c': 1", "/a~1b~0c There is no such field here."],
  ])("%j: is of another shape", (text, problem) => {
    expect(
      problemsOf(text)
        .join("\n")
        .replace(/^\d+:\d+ \s*/, "/".repeat(text === "[]" ? 1 : 0) + (text === "[]" ? " " : "")),
    ).toContain(problem);
  });

  it("ends a list of problems that nobody would read", () => {
    const problems = problemsOf(`services: [${"1, ".repeat(2000)}]`);
    expect(problems).toHaveLength(1001);
  });
});

describe("a service that is complete, and wrong nevertheless", () => {
  const cases: [text: string, problem: string][] = [
    [
      "services: [{ name: a, address: 192.0.2.1, port: 1, protocol: tcp }, { name: a, address: 192.0.2.2, port: 1, protocol: tcp }]",
      "/services/1/name A service called a is there already, as /services/0.",
    ],
    [
      "services: [{ name: a, address: 192.0.2.1, port: 1, protocol: tcp }, { name: b, address: 192.0.2.1/32, port: 1, protocol: tcp }]",
      "/services/1/address A service at tcp 192.0.2.1 port 1 is there already, as /services/0.",
    ],
    ["devices: [{ name: eth0 }, { name: eth0 }]", "/devices/1/name The device eth0 is there already"],
    [
      backend("address: 10.0.0.1 }, { address: 10.0.0.1, name: b"),
      "/services/0/backends/1/address The backend 10.0.0.1 at port 80 is there already",
    ],
    [
      backend("address: 10.0.0.1, name: b }, { address: 10.0.0.2, name: b"),
      "/services/0/backends/1/name A backend called b is there already",
    ],
    ["tableSize: 65536", "/tableSize 65536 is no prime, so some backends would not reach all slots. Give 65537."],
    [
      backend("address: 10.0.0.1", "tableSize: 100"),
      "/services/0/tableSize 100 is no prime, so some backends would not reach all slots. Give 101.",
    ],
    ["natPorts: { first: 60000 }", "/natPorts/count From port 60000 on there are no 64512 ports. Give 5536 or less."],
    ["source4: 2001:db8::1", "/source4 It is an IPv6 address. Give an IPv4 one."],
    ["source6: 192.0.2.1", "/source6 It is an IPv4 address. Give an IPv6 one."],
    ["source4: 127.0.0.1", "/source4 It is a loopback address"],
    [backend("address: 10.0.0.1.2"), '/services/0/backends/0/address "10.0.0.1.2" is no IP address.'],
    [
      backend("address: '::ffff:10.0.0.1'"),
      '/services/0/backends/0/address "::ffff:10.0.0.1" is an IPv4 address in IPv6\'s clothes. Write it as 10.0.0.1.',
    ],
    [backend("address: 224.0.0.1"), "/services/0/backends/0/address It is a multicast address."],
    [backend("address: 255.255.255.255"), "/services/0/backends/0/address It is the broadcast address."],
    [backend("address: 0.0.0.0"), "/services/0/backends/0/address It is the unspecified address."],
    [backend("address: 'fe80::1'", "mode: ipip"), "/services/0/backends/0/address It is a link-local address"],
    [
      backend("address: '2001:db8::1'"),
      "/services/0/backends/0/address It is an IPv6 address, and the service's is IPv4. Give one of the same family, or use mode ipip or gue.",
    ],
    [
      backend("address: '2001:db8::1'", "mode: direct"),
      "/services/0/backends/0/address It is an IPv6 address, and the service's is IPv4.",
    ],
    [
      backend("address: 10.0.0.1"),
      "/services/0/backends/0/address NAT has no IPv4 address to send from. Give source4, or the first device an address.",
    ],
    [
      backend("address: '2001:db8::1'", "mode: gue"),
      "/services/0/backends/0/address The tunnel has no IPv6 address to send from. Give source6, or the first device an address.",
    ],
    [
      backend("address: 10.0.0.1, port: 81", "mode: direct"),
      "/services/0/backends/0/port The mode direct leaves ports as they are: the backend gets packets to port 80.",
    ],
    [
      backend("address: 10.0.0.1, port: 81").replace("port: 80", "port: all"),
      "/services/0/backends/0/port The service has all ports, which the backend gets as they are.",
    ],
    [
      backend("address: 10.0.0.1, drainSeconds: 1"),
      "/services/0/backends/0/drainSeconds The backend does not drain. Add drain: true, or leave drainSeconds out.",
    ],
    [
      backend("address: 10.0.0.1, mac: 02:00:00:00:00:01"),
      "/services/0/backends/0/mac It is not said which device that is behind.",
    ],
    [backend("address: 10.0.0.1, device: eth0"), "/services/0/backends/0/device It is not said whose mac that is."],
    [
      backend("address: 10.0.0.1", "mode: redirect"),
      "/services/0/backends/0 The mode redirect needs the mac that packets are sent to.",
    ],
    [
      backend("address: 10.0.0.1", "mode: redirect"),
      "/services/0/backends/0 The mode redirect needs the device that packets leave by.",
    ],
    [
      backend("address: 10.0.0.1", "mode: redirect"),
      "/services/0/backends/0/source The mode redirect needs an address to send from.",
    ],
    [
      backend("address: 10.0.0.1, source: 10.0.0.9"),
      "/services/0/backends/0/source The mode nat does not use it. Leave it out, or use mode redirect.",
    ],
    [
      backend("address: 10.0.0.1, mac: 02:00:00:00:00:01, device: eth0, source: '2001:db8::1'", "mode: redirect"),
      "/services/0/backends/0/source It is an IPv6 address. Give an IPv4 one.",
    ],
    [backend("address: 10.0.0.1", "check: { type: icmp, port: 7 }"), "/services/0/check/port ICMP has no ports."],
    [
      backend("address: 10.0.0.1", "check: { type: tcp }").replace("port: 80", "port: all"),
      "/services/0/check The service has all ports, so the check does not know which to ask.",
    ],
    [
      "services: [{ name: a, address: 192.0.2.0/33, port: 1, protocol: tcp }]",
      '/services/0/address "33" is no prefix length of an IPv4 address. Give a number from 0 to 32.',
    ],
    [
      "services: [{ name: a, address: 192.0.2.1/24, port: 1, protocol: tcp }]",
      '/services/0/address "192.0.2.1/24" has bits behind its prefix length, which would not count. Write 192.0.2.0/24, or the address alone.',
    ],
    [
      "services: [{ name: a, address: 0.0.0.0/0, port: 1, protocol: tcp }]",
      "/services/0/address All addresses would be the balancer's.",
    ],
    [
      "source4: 192.0.2.9\nservices: [{ name: a, address: 192.0.2.0/24, port: all, protocol: tcp }]",
      "/services/0/port The answers of backends come to 192.0.2.9, and this service would take all its ports.",
    ],
  ];
  it.each(cases.map(([text, problem]) => [problem, text] as const))("%s", (problem, text) => {
    expect(problemsOf(text, { source4: null, source6: null }).join("\n")).toContain(problem);
  });

  it("nobody who did not look says that there is no source address", () => {
    expect(problemsOf(backend("address: 10.0.0.1"))).toEqual([]);
    expect(problemsOf(backend("address: 10.0.0.1"), { source4: "10.0.0.9" })).toEqual([]);
  });

  it("the message has all of it, for people who see no more", () => {
    try {
      readDocument("mtu: 1\ntableSize: 9\n", { name: "lb.yaml" });
    } catch (error) {
      expect(error).toMatchObject({
        message: "lb.yaml is no state that a balancer can be in.",
        code: "INVALID_STATE",
      });
      expect((error as InvalidState).why).toContain("1:6 /mtu: It is 1. Give a whole number from 576 to 9000.");
      return;
    }
    expect.unreachable();
  });
});
