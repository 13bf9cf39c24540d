import type { Mutant } from './mutant.ts'

/** The core, query by query: joins, subqueries, CTEs. */
export const CORE_QUERIES: readonly Mutant[] = [
  {
    guard: 'rows that a LEFT JOIN extends with NULLs',
    file: 'crates/core/src/from.rs',
    find: `let deeper = self.deeper(level, right..right);
                    self.factor(&join.relation, deeper, names);
                    self.levels[deeper].items.end = self.items.end;
                    Some((deeper, constraint))`,
    replace: `self.factor(&join.relation, level, names);
                    Some((level, constraint))`,
    test: { cargo: 'queries', title: 'a_changed_answer_has_a_changed_token_on_postgres' },
  },
  {
    guard: 'what is on the left of a RIGHT JOIN is nullable',
    file: 'crates/core/src/from.rs',
    find: `let deeper = self.extend_with_nulls(level, mark);
                    self.factor(&join.relation, level, names);
                    Some((deeper, constraint))`,
    replace: `self.factor(&join.relation, level, names);
                    Some((level, constraint))`,
    test: { cargo: 'queries', title: 'a_changed_answer_has_a_changed_token_on_postgres' },
  },
  {
    guard: 'only what rejects NULLs makes an outer join an inner one',
    file: 'crates/core/src/dnf.rs',
    find: 'Fact::Is(column, _, nulls) => !nulls && tables.contains(&column.0),',
    replace: 'Fact::Is(column, ..) => tables.contains(&column.0),',
    test: { cargo: 'guards', title: 'a_row_that_takes_the_place_of_nulls_counts' },
  },
  {
    guard: 'conditions above an outer join may have looked at NULLs',
    file: 'crates/core/src/from.rs',
    find: 'let above = dnf::without(&self.forms[above], &self.levels[level].items);',
    replace: 'let above = self.forms[above].clone();',
    test: { cargo: 'guards', title: 'a_row_that_takes_the_place_of_nulls_counts' },
  },
  {
    guard: 'a comma in front of a RIGHT JOIN is one of its left in SQLite',
    file: 'crates/core/src/from.rs',
    find: 'Dialect::Sqlite => whole,',
    replace: 'Dialect::Sqlite => block.mark(),',
    test: { cargo: 'guards', title: 'a_comma_in_front_of_a_right_join' },
  },
  {
    guard: 'a name that may mean something nearer is not followed outwards',
    file: 'crates/core/src/names.rs',
    find: 'Sought::Absent if catches(all) => return None,',
    replace: 'Sought::Absent if catches(all) && all.is_empty() => return None,',
    test: { cargo: 'guards', title: 'a_system_column_is_not_one_of_the_query_around' },
  },
  {
    guard: 'columns of a derived table make names beside it uncertain',
    file: 'crates/core/src/names.rs',
    find: `let Some(table) = item.table else {
                return Sought::Uncertain;
            };`,
    replace: `let Some(table) = item.table else {
                continue;
            };`,
    test: { cargo: 'guards', title: 'a_column_of_a_derived_table_is_not_one_of_the_query_around' },
  },
  {
    guard: 'a CTE hides a table of its name',
    file: 'crates/core/src/from.rs',
    find: 'Found::Table(table) if !cte && !renamed',
    replace: 'Found::Table(table) if !renamed',
    test: { cargo: 'plan_texts', title: 'queries' },
  },
  {
    guard: 'an occurrence that the walk does not come by is read as a whole',
    file: 'crates/core/src/blocks.rs',
    find: '_ => vec![Vec::new()],',
    replace: '_ => Vec::new(),',
    test: { cargo: 'guards', title: 'a_table_that_no_walk_comes_by_is_read_as_a_whole' },
  },
  {
    guard: 'a sample depends on all rows',
    file: 'crates/core/src/from.rs',
    find: 'whole: sample.is_some(),',
    replace: 'whole: false,',
    test: { cargo: 'plan_texts', title: 'queries_of_one_dialect' },
  },
  {
    guard: 'equalities carry values only between columns that compare alike',
    file: 'crates/core/src/dnf.rs',
    find: 'if nulls || !scope.comparable(one, two) || one == two => any(),',
    replace: 'if nulls || one == two => any(),',
    test: { cargo: 'plan_texts', title: 'queries' },
  },
]
