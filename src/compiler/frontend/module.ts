/** What all programs of a module share: its maps, its read-only data, and what its constants mean. */

import { forEachAssignment } from "./assignments.ts";
import { Faults } from "./faults.ts";
import type { Hook } from "./hooks.ts";
import type { SizedLayout } from "./layout.ts";
import { unusableName } from "./names.ts";
import { Reporter } from "./reporter.ts";
import type { Source } from "./source.ts";
import type { Subprogram } from "./subprograms.ts";
import ts from "./typescript.ts";
import type { MapDeclaration, Value } from "./values.ts";

/** A variable that all programs, packets and CPUs share, in `.data` or `.bss`. */
export interface GlobalVariable {
  name: string;
  section: string;
  /** Bytes from the section's start. */
  offset: number;
  layout: SizedLayout;
  /** What it holds at first. */
  bytes: Uint8Array;
}

export class ModuleState {
  readonly source: Source;
  readonly faults = new Faults();
  readonly reporter = new Reporter(this.faults);
  /** By declaration, in the order of first use. */
  readonly maps = new Map<ts.Node, MapDeclaration>();
  /** Schemas, maps and other constants that are evaluated once, by their declaration. */
  readonly constants = new Map<ts.Node, Value>();
  /** For each array of programs the first tail call through it, and from where. */
  readonly tailCalls = new Map<ts.Node, { node: ts.Node; hook: Hook }>();
  /** Functions that were compiled as such, in the order of their first call. */
  readonly subprograms: Subprogram[] = [];
  /** Functions in which something was reported when they were compiled. */
  readonly brokenSubprograms = new Set<ts.Node>();
  /** Symbols of the object that are taken. */
  readonly symbols = new Set<string>();
  readonly #texts = new Map<string, number>();
  #readonlyData: number[] = [];

  constructor(source: Source) {
    this.source = source;
  }

  #assignedFields: Set<string> | null = null;

  /** Names of fields that some module assigns to, other than through a schema's view: `key.port = 80`. */
  get assignedFields(): ReadonlySet<string> {
    if (this.#assignedFields === null) {
      const names = new Set<string>();
      for (const file of this.source.modules) {
        forEachAssignment(file, (target) => {
          if (ts.isPropertyAccessExpression(target) && !this.#isSchemaField(target.name)) names.add(target.name.text);
        });
      }
      this.#assignedFields = names;
    }
    return this.#assignedFields;
  }

  /** Fields of views are declared by `struct({ … })`, and `value` of a reference by wirescript/kernel. */
  #isSchemaField(name: ts.MemberName): boolean {
    const declarations = this.source.checker.getSymbolAtLocation(name)?.declarations ?? [];
    return (
      declarations.length > 0 &&
      declarations.every(
        (declaration) => this.source.isIntrinsic(declaration) || ts.isCallExpression(declaration.parent.parent),
      )
    );
  }

  /** Settings in `.rodata`, in the order of first use. */
  readonly settings: { name: string; offset: number; layout: SizedLayout; node: ts.Node }[] = [];

  /** Puts a setting's initial bytes into `.rodata`, once; gives its offset. */
  setting(node: ts.Node, name: string, layout: SizedLayout, bytes: Uint8Array): number {
    const known = this.settings.find((setting) => setting.node === node);
    if (known !== undefined) return known.offset;
    this.#checkName(node, name);
    const align = naturalAlignment(layout);
    while (this.#readonlyData.length % align !== 0) this.#readonlyData.push(0);
    const offset = this.#readonlyData.length;
    this.#readonlyData.push(...bytes);
    this.settings.push({ name, offset, layout, node });
    return offset;
  }

  /** Variables of the module, in the order of first use, by their declaration. */
  readonly globals = new Map<ts.Node, GlobalVariable>();
  readonly #sectionSizes = new Map<string, number>();

  /** Gives a variable of the module its place, once: zeros take no room in the object. */
  global(node: ts.Node, name: string, layout: SizedLayout, bytes: Uint8Array): GlobalVariable {
    const known = this.globals.get(node);
    if (known !== undefined) return known;
    this.#checkName(node, name);
    const section = bytes.every((byte) => byte === 0) ? ".bss" : ".data";
    const align = naturalAlignment(layout);
    const offset = Math.ceil((this.#sectionSizes.get(section) ?? 0) / align) * align;
    this.#sectionSizes.set(section, offset + layout.size);
    const variable = { name, section, offset, layout, bytes };
    this.globals.set(node, variable);
    return variable;
  }

  #checkName(node: ts.Node, name: string): void {
    const reason = unusableName(name);
    if (reason !== null) this.reporter.report(node, "WS3009", { name, reason });
  }

  /** Puts `text` with a 0 byte behind it into `.rodata`, once; gives its offset. */
  readonlyText(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const offset = this.#readonlyData.length;
    this.#readonlyData.push(...new TextEncoder().encode(text), 0);
    this.#texts.set(text, offset);
    return offset;
  }

  #hasTailCalls: boolean | null = null;

  /** Whether some module says `tailCall` anywhere. */
  get hasTailCalls(): boolean {
    this.#hasTailCalls ??= this.source.modules.some((file) => file.text.includes("tailCall"));
    return this.#hasTailCalls;
  }

  readonly #identities = new WeakMap<object, number>();
  #identified = 0;

  /** A number that only `thing` has, for keys. */
  identity(thing: object): number {
    const known = this.#identities.get(thing);
    if (known !== undefined) return known;
    this.#identities.set(thing, ++this.#identified);
    return this.#identified;
  }

  get readonlyData(): Uint8Array {
    return Uint8Array.from(this.#readonlyData);
  }
}

/** Structs and arrays begin where wide accesses of them are aligned, as those of a map's element do. */
function naturalAlignment(layout: SizedLayout): number {
  return layout.kind === "scalar" ? layout.size : Math.min(8, 2 ** Math.floor(Math.log2(layout.size)));
}
