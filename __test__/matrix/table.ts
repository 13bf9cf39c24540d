/** What a part of the matrix is made of. */

/** One line of a table: what it says, and what shows it. */
export interface Row {
  readonly cells: readonly string[]
  /** resolves with the figures that it came to, if any; rejects when it is not as the cells say */
  run(): Promise<string | void>
}

/** A module that `run.ts` runs: a table of `docs/compatibility.md`. */
export interface Part {
  /** of the section that holds the table: `## …` */
  readonly heading: string
  readonly columns: readonly string[]
  readonly rows: readonly Row[]
}

/** The table as the documentation has it. */
export function markdown(columns: readonly string[], rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(({ cells }) => line(cells)), ''].join(
    '\n',
  )
}
