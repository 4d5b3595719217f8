/** docs/verifier.md, made from the table of the verifier's rules. */
import { CATALOGUE } from "./catalogue.ts";
import { VERIFIER_RULES, type VerifierRule } from "./verifier-rules.ts";

export function verifierPage(): string {
  return `# What the verifier refuses, and what prevents it

The kernel walks over every path of a program before it takes it. Those who write C meet its messages when they load; here the
same mistake is a message at the line, while you type. This page leads from one to the other: for those who know the verifier's
messages, and for those who meet one although the compiler said nothing, which is a defect of Wirescript's: please report it
(\`wirescript report\`).

The messages are those of Linux 6.18; \`…\` stands for numbers and names. Numbers that start with WS lead to [the diagnostics](diagnostics.md);
those with TS are TypeScript's own. A test makes the kernel say every message, and compiles an example for every diagnostic. This page is
made from \`src/compiler/diagnostics/verifier-rules.ts\`.

| the verifier says | it wants | prevented by | besides |
|---|---|---|---|
${VERIFIER_RULES.map(row).join("\n")}
`;
}

function row({ message, rule, preventedBy, because }: VerifierRule): string {
  const codes = preventedBy.map((code) => (code in CATALOGUE ? `[${code}](diagnostics.md#${code.toLowerCase()})` : code));
  return `| \`${message}\` | ${rule} | ${codes.length === 0 ? "the compiler" : codes.join(", ")} | ${because} |`;
}
