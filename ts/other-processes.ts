import cluster from 'node:cluster'

import { shared } from './shared.ts'

const warned = shared('warned of other processes', () => ({ yes: false }))

/** Warns, once, where other processes are sure or likely to write to the same database. */
export function warnOfOtherProcesses(): void {
  const sign = signOfOthers(process.env)
  if (warned.yes || sign === undefined) return
  warned.yes = true
  process.emitWarning(
    `cacheops keeps results in the memory of this process, and ${sign}: a second process that reads the same database would not ` +
      "hear of this one's writes. If there is none, say so with the option `store: 'embedded'`.",
    { type: 'CacheopsWarning', code: 'CACHEOPS_SINGLE_PROCESS' },
  )
}

/** What tells that this process is not the only one. NOTE: Node takes NODE_UNIQUE_ID out of the environment before any code runs. */
function signOfOthers(environment: NodeJS.ProcessEnv): string | undefined {
  if (cluster.isWorker) return 'this is a worker of a cluster'
  // pm2 numbers the instances of an application from 0, in both of its modes.
  if (Number(environment['NODE_APP_INSTANCE']) > 0) return 'this is not the first instance (NODE_APP_INSTANCE)'
  return environment['NODE_ENV'] === 'production' ? 'there are often others in production' : undefined
}
