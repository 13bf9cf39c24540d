// A CommonJS copy that another package has loaded already: it is found.
const foreign = require(process.argv[2])
const cacheops = require('#cacheops')

if (foreign.Kysely === require('kysely').Kysely) throw new Error('it is the same')
void import('./smoke.mjs').then(({ smoke }) => smoke(foreign, cacheops))
