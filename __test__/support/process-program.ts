/**
 * `node process-program.ts <how many> <option store, or nothing>`: processes that have the plugin, each of them twice. With a number
 * above 0 a primary with that many workers of node:cluster, else one process. Prints the warnings of those that have the plugin.
 */
import cluster from 'node:cluster'

import { cacheopsPlugin } from '../../ts/index.ts'

const [workers = '0', store] = process.argv.slice(2)

if (cluster.isPrimary && Number(workers) > 0) {
  for (let i = 0; i < Number(workers); i++) cluster.fork()
} else {
  process.on('warning', (warning) => console.log((warning as { code?: string }).code ?? warning.message))
  for (let i = 0; i < 2; i++) cacheopsPlugin(store === 'embedded' ? { store } : {})
  if (cluster.isWorker) setImmediate(() => process.disconnect())
}
