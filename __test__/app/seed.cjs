'use strict'

const { sql } = require('kysely')

const { ENTITIES } = require('./schema/modules.cjs')

const TENANTS = 6
const USERS = 8
const PRODUCTS = 12
const ENTITY_ROWS = 4

/** What the application starts with: one statement a table, the same in every database. */
async function seed(db) {
  const run = (text) => sql.raw(text).execute(db)
  await run(
    `insert into tenants select i, 'tenant-' || i, 'Tenant ' || i, (array['free','team','enterprise'])[i % 3 + 1]::plan, '{}' from generate_series(1, ${TENANTS}) i`,
  )
  await run(
    `insert into statuses select code, upper(code), n from unnest(array['new','open','held','shipped','closed']) with ordinality s(code, n)`,
  )
  await run(`insert into roles select i, 'role ' || i, array['read', 'write-' || i] from generate_series(1, 4) i`)
  await run(
    `insert into users (tenant_id, email, name, status) select t, 'user' || i || '@t' || t || '.org', 'User ' || i, 'open' from generate_series(1, ${TENANTS}) t, generate_series(1, ${USERS}) i`,
  )
  await run(`update users set manager_id = id - 1 where id % ${USERS} <> 1`)
  await run(`insert into user_roles select id, id % 4 + 1, null from users`)
  await run(
    `insert into tags (tenant_id, name) select t, 'tag ' || i from generate_series(1, ${TENANTS}) t, generate_series(1, 4) i`,
  )
  await run(
    `insert into files (tenant_id, uploaded_by, path, content) select tenant_id, id, '/file/' || id, decode('00ff' || lpad(id::text, 4, '0'), 'hex') from users`,
  )
  await run(
    `insert into categories select t * 100 + i, case when i > 1 then t * 100 + i / 2 end, t, 'Category ' || i from generate_series(1, ${TENANTS}) t, generate_series(1, 9) i order by 1`,
  )
  await run(`insert into products (tenant_id, category_id, sku, name, description, price, tags, attributes) select t, t * 100 + i % 9 + 1, 'sku' || i, 'Thing ' || i, 'a useful thing number ' || i, i + 0.5,
    array['a' || i % 3], jsonb_build_object('color', (array['red','green','blue'])[i % 3 + 1]) from generate_series(1, ${TENANTS}) t, generate_series(1, ${PRODUCTS}) i`)
  await run(
    `insert into product_tags select p.id, t.id from products p join tags t on t.tenant_id = p.tenant_id where (p.id + t.id) % 3 = 0`,
  )
  await run(`insert into warehouses select t, t, 'Warehouse ' || t from generate_series(1, ${TENANTS}) t`)
  await run(`insert into stock select w.id, p.id, 10 from warehouses w join products p on p.tenant_id = w.tenant_id`)
  await run(
    `insert into customers (tenant_id, account_manager, email, name) select tenant_id, id, 'c' || email, 'Customer ' || id from users`,
  )
  await run(
    `insert into orders (tenant_id, customer_id, status, placed_at) select tenant_id, id, 'open', '2024-01-01Z'::timestamptz + id * interval '1 hour' from customers`,
  )
  await run(
    `insert into order_lines select o.tenant_id, o.id, l, (o.tenant_id - 1) * ${PRODUCTS} + l, l, 10 from orders o, generate_series(1, 3) l`,
  )
  await run(
    `insert into accounts select i, (i - 1) % ${TENANTS} + 1, null, 'Account ' || i from generate_series(1, 12) i`,
  )
  await run(
    `insert into ledger (booked_on, account_id, amount) select '2023-10-01'::date + i * 20, i % 12 + 1, i from generate_series(1, 40) i`,
  )
  await run(`insert into counters select i, i % 4, 0 from generate_series(1, 16) i`)
  for (const { table, refs } of ENTITIES) {
    const columns = refs.map(([column]) => `, ${column}`).join('')
    const values = refs.map(() => ', n').join('')
    await run(`insert into ${table} (tenant_id, owner_id, status, title, amount, labels${columns})
      select t, (t - 1) * ${USERS} + i, 'open', 'Title ' || n, n * 1.25, array['l' || i]${values} from generate_series(1, ${TENANTS}) t, generate_series(1, ${ENTITY_ROWS}) i, lateral (select (t - 1) * ${ENTITY_ROWS} + i) k(n) order by n`)
    await run(
      `insert into ${table}_comment (tenant_id, entity_id, author_id, body) select tenant_id, id, owner_id, 'Comment on ' || id from ${table}`,
    )
    await run(`insert into ${table}_tag select id, (tenant_id - 1) * 4 + 1 from ${table}`)
    await run(`insert into ${table}_file (entity_id, comment_id, file_id) select id, id, owner_id from ${table}`)
  }
}

module.exports = { PRODUCTS, TENANTS, USERS, ENTITY_ROWS, seed }
