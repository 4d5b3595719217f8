/** Runs many cases and collects what fails, each failure made small. */
import { randomModule } from "./author.ts";
import { addCoverage, type Coverage, countModule, emptyCoverage } from "./coverage.ts";
import { randomPackets } from "./packets.ts";
import { print } from "./print.ts";
import { type Case, type Failure, runCase, type Way } from "./run-case.ts";
import { shrink } from "./shrink.ts";
import { OTHERS, USUAL } from "./ways.ts";

export interface Campaign {
  /** The first case's seed; the others follow. */
  seed: number;
  /** How far seeds lie apart; 1 unless given. */
  every?: number;
  count: number;
  packets: number;
  /** How each module is compiled: as users do, or also in one more way in turn (another instruction set, or without a pass), or in all of them. */
  ways: "usual" | "one more" | "all";
  kernel: boolean;
  /** Run only every `stride`-th case, from `first` on: for several processes. */
  stride?: number;
  first?: number;
  /** Changes that may be tried to make a failing case smaller; 0 leaves it as it is. */
  shrinkTries: number;
  /** Called after each case. */
  progress?: () => void;
  /** Called with each finding as soon as it is small. */
  found?: (finding: Finding) => void;
}

export interface Tally {
  programs: number;
  runs: number;
  /** Instructions of all programs together, as compiled in the usual way. */
  instructions: number;
  /** Instructions that the interpreter executed. */
  executed: number;
  /** Modules that exceed a limit, by limit: their seeds. */
  leftOut: Record<string, number[]>;
  /** Of all modules, compiled in the usual way. */
  coverage: Coverage;
}

export interface Finding {
  /** All that failed in this way; the report is of the first. */
  seeds: number[];
  way: string;
  signature: string;
  /** For people: the small module, the packet, and what each made of it. */
  report: string;
}

/** `other`'s counts are added to `tally`. */
export function addTally(tally: Tally, other: Tally): void {
  tally.programs += other.programs;
  tally.runs += other.runs;
  tally.instructions += other.instructions;
  tally.executed += other.executed;
  addCoverage(tally.coverage, other.coverage);
  for (const [limit, seeds] of Object.entries(other.leftOut)) leaveOut(tally, limit, ...seeds);
}

function leaveOut({ leftOut }: Tally, limit: string, ...seeds: number[]): void {
  leftOut[limit] = [...(leftOut[limit] ?? []), ...seeds];
}

/** One finding for each way in which cases fail. */
export function runCampaign(campaign: Campaign): { tally: Tally; findings: Finding[] } {
  const tally: Tally = { programs: 0, runs: 0, instructions: 0, executed: 0, leftOut: {}, coverage: emptyCoverage() };
  const findings = new Map<string, Finding>();
  const { stride = 1, first = 0, every = 1 } = campaign;
  for (let index = first; index < campaign.count; index += stride) {
    const seed = campaign.seed + index * every;
    const each = caseOf(seed, campaign.packets);
    countModule(tally.coverage, each.module);
    for (const way of [USUAL, ...otherWays(campaign, index)]) {
      const verdict = runCase(each, way, campaign.kernel, way === USUAL ? tally.coverage : undefined);
      if ("limit" in verdict) {
        leaveOut(tally, verdict.limit, seed);
        break; // what is too large in one way would only be so in the next
      }
      if (verdict.passed) {
        tally.programs++;
        tally.runs += each.packets.length;
        if (way === USUAL) tally.instructions += verdict.instructions;
        tally.executed += verdict.executed;
      } else {
        const { signature } = verdict.failure;
        const known = findings.get(signature);
        if (known !== undefined) known.seeds.push(seed);
        else {
          const small = finding(seed, each, way, verdict.failure, campaign);
          findings.set(signature, small);
          campaign.found?.(small);
        }
        break;
      }
    }
    campaign.progress?.();
  }
  return { tally, findings: [...findings.values()] };
}

function otherWays({ ways }: Campaign, index: number): readonly Way[] {
  if (ways === "all") return OTHERS;
  const which = index % OTHERS.length;
  return ways === "one more" ? OTHERS.slice(which, which + 1) : [];
}

function caseOf(seed: number, packets: number): Case {
  try {
    return { module: randomModule(seed), packets: randomPackets(seed, packets) };
  } catch (error) {
    throw new Error(`The generator fails for seed ${seed}.`, { cause: error });
  }
}

function finding(seed: number, each: Case, way: Way, failure: Failure, { kernel, shrinkTries }: Campaign): Finding {
  const fails = (candidate: Case): Failure | null => {
    const verdict = runCase(candidate, way, kernel);
    return "limit" in verdict || verdict.passed ? null : verdict.failure;
  };
  const small = shrinkTries === 0 ? each : shrink(each, failure, fails, shrinkTries);
  const last = fails(small) ?? failure;
  const lines = [`seed ${seed}, ${way.name}: ${last.kind}`, "", print(small.module), last.message];
  if (last.packet !== undefined) lines.push("", `packet: ${Buffer.from(last.packet).toString("hex")}`);
  const maps = small.module.maps.flatMap((map) => [map, ...(map.inners ?? [])]);
  const contents = maps.flatMap(({ name, contents }) =>
    contents.map(
      ({ key, value }) => `${name} begins with ${Buffer.from(key).toString("hex")}: ${Buffer.from(value).toString("hex")}`,
    ),
  );
  lines.push(...contents);
  for (const [who, result] of Object.entries(last.results ?? {})) lines.push("", `${who}:`, result);
  return { seeds: [seed], way: way.name, signature: failure.signature, report: lines.join("\n") };
}
