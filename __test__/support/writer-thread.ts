// oxlint-disable unicorn/require-post-message-target-origin -- messages to threads have no origin
import { parentPort, workerData } from 'node:worker_threads'

import BetterSqlite3 from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'

import { cacheopsPlugin } from '../../ts/index.ts'

/** What a writing thread is told. */
export interface WriterData {
  readonly file: string
  readonly store: string
  /** the last number whose write has returned */
  readonly returned: SharedArrayBuffer
}

interface Counters {
  counter: { id: number; n: number }
}

const { file, store, returned } = workerData as WriterData
const database = new BetterSqlite3(file)
const db = new Kysely<Counters>({
  dialect: new SqliteDialect({ database }),
  plugins: [cacheopsPlugin<Counters>({ store: { type: 'embedded', name: store } })],
})
const last = new Int32Array(returned)

/** Writes the numbers of a message one after the other, and says so. */
async function write(numbers: readonly number[]): Promise<void> {
  for (const n of numbers) {
    await db.updateTable('counter').set({ n }).where('id', '=', 1).execute()
    Atomics.store(last, 0, n)
  }
  parentPort!.postMessage('done')
}

parentPort!.on('message', (numbers: readonly number[] | 'stop') => {
  if (numbers === 'stop') {
    void db.destroy().then(() => parentPort!.close())
    return
  }
  void write(numbers)
})
