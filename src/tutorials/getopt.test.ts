import { expect, test } from "vitest";
import { type OptionSpec, parseOptions, usagePage } from "./getopt.ts";

const OPTIONS: OptionSpec[] = [
  { short: "d", long: "dev", argument: "<ifname>", help: "Operate on device <ifname>", required: true },
  { short: "F", long: "force", help: "Force install, replacing existing program on interface" },
  { short: "S", long: "skb-mode", help: "Install XDP program in SKB (AKA generic) mode" },
  { long: "progsec", argument: "<section>", help: "Load program in <section> of the ELF file" },
  { long: "progname", argument: "<name>", help: "By name" },
];
const parse = (line: string) => {
  const { values, operands, problem } = parseOptions(OPTIONS, line.split(" "));
  return { given: Object.fromEntries(values), operands, problem };
};

test.each([
  ["-d eth0 -F --progsec xdp_pass", { dev: "eth0", force: "", progsec: "xdp_pass" }, []],
  ["-deth0 --progsec=a=b", { dev: "eth0", progsec: "a=b" }, []],
  ["-FSd eth0 one --de eth1 two", { force: "", "skb-mode": "", dev: "eth1" }, ["one", "two"]],
  ["--skb -- -F --dev", { "skb-mode": "" }, ["-F", "--dev"]],
  ["-", {}, ["-"]],
])("%s", (line, given, operands) => {
  expect(parse(line)).toEqual({ given, operands, problem: null });
});

test.each([
  ["-x", "invalid option -- 'x'"],
  ["--nonsense", "unrecognized option '--nonsense'"],
  ["--prog x", "option '--prog' is ambiguous; possibilities: '--progsec' '--progname'"],
  ["--force=yes", "option '--force' doesn't allow an argument"],
  ["-F -d", "option requires an argument -- 'd'"],
  ["--dev", "option '--dev' requires an argument"],
])("%s: %s", (line, problem) => {
  expect(parse(line).problem).toBe(problem);
});

test("the usage page is the tutorial's", () => {
  expect(usagePage("./xdp_loader", ["XDP loader", " - Allows selecting BPF section"], OPTIONS.slice(0, 4))).toBe(
    `Usage: ./xdp_loader [options]

DOCUMENTATION:
 XDP loader
 - Allows selecting BPF section

Required options:
 -d, --dev <ifname>         Operate on device <ifname>

Other options:
 -F, --force                Force install, replacing existing program on interface
 -S, --skb-mode             Install XDP program in SKB (AKA generic) mode
     --progsec <section>    Load program in <section> of the ELF file
`,
  );
});
