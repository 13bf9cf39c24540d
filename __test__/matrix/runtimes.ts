/** Runtimes, bundlers, frameworks and compilers: the package as users install it. */

import { BUNDLERS } from './runtimes/bundlers.ts'
import { NEXT_ROWS } from './runtimes/next.ts'
import { RUNTIMES } from './runtimes/runtimes.ts'
import type { Row } from './table.ts'

export const heading = '## Runtimes and tools'
export const columns: readonly string[] = ['runtime or tool', 'what was tried', 'result']
export const rows: readonly Row[] = [...RUNTIMES, ...BUNDLERS, ...NEXT_ROWS]
