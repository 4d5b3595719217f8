/** docs/diagnostics.md, made from the catalogue. */
import { CATALOGUE, type DiagnosticCode, type Entry } from "./catalogue.ts";
import { REMEDIES } from "./remedies.ts";

const CHAPTERS: readonly [prefix: string, title: string][] = [
  ["WS1", "Constructs of TypeScript that kernel code does not have"],
  ["WS2", "Values, types and calls"],
  ["WS3", "Declarations: programs, maps, schemas, settings"],
  ["WS4", "Limits of the kernel"],
  ["WS9", "Defects of the compiler"],
];

export function diagnosticsPage(): string {
  const entries = Object.entries(CATALOGUE) as [string, Entry][];
  const chapters = CHAPTERS.map(([prefix, title]) => {
    const own = entries.filter(([code]) => code.startsWith(prefix));
    return [`## ${title}`, ...own.map(([code, entry]) => section(code, entry))].join("\n\n");
  });
  return `# Diagnostics

Every message of the compiler that is not TypeScript's own. \`{name}\` stands for a detail. The examples leave out the imports.
This page is made from \`src/compiler/diagnostics/catalogue.ts\`; a test compiles every example.

${chapters.join("\n\n")}
`;
}

function section(code: string, { what, why, fix, example }: Entry): string {
  const shown = example === null ? "" : `\n\n\`\`\`ts\n${example}\n\`\`\``;
  const remedy = REMEDIES[code as DiagnosticCode]; // the catalogue's own keys
  const mended = remedy === undefined ? "" : `\n\nMended:\n\n\`\`\`ts\n${remedy}\n\`\`\``;
  return `### ${code}\n\n${what}\n\n- Why: ${why}\n- Fix: ${fix}${shown}${mended}`;
}
