import { DIALECTS } from './dialects.mjs'

await DIALECTS[process.argv[2]]()
console.log('shown')
