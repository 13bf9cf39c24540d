import { nameOf } from './mutant.ts'
import type { Mutant } from './mutant.ts'

/** The table of docs/testing.md. */
export function markdown(mutants: readonly Mutant[]): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|')
  const rows = mutants.map(({ guard, file, test }) => `| ${cell(guard)} | \`${file}\` | ${cell(nameOf(test))} |`)
  return ['| without | in | fails |', '|---|---|---|', ...rows, ''].join('\n')
}
