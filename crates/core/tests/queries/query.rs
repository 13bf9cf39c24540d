//! What the generated queries are made of, and their SQL.

use std::fmt::Write as _;

use cacheops_core::schema::Dialect;

pub type Value = Option<i64>;

/// The tables: names and columns. They share names of columns, so that unqualified names are ambiguous at times.
pub const TABLES: [(&str, [&str; 3]); 3] = [
    ("t", ["id", "a", "b"]),
    ("u", ["id", "a", "c"]),
    ("v", ["id", "b", "c"]),
];

#[derive(Clone, Debug)]
pub enum Scalar {
    /// The text, and what it means: alias and column.
    Column(String, String, usize),
    Constant(Value),
    Parameter(Value),
    /// A query of one column that gives one row.
    Query(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
}

#[derive(Clone, Debug)]
pub enum Condition {
    Compare(Scalar, Comparison, Scalar),
    Null(Scalar, bool),
    Distinct(Scalar, Scalar, bool),
    In(Scalar, Vec<Scalar>, bool),
    Pair([Scalar; 2], [Scalar; 2]),
    Exists(Box<Query>, bool),
    InQuery(Scalar, Box<Query>, bool),
    /// ANY (true) or ALL.
    Quantified(Scalar, Comparison, bool, Box<Query>),
    Case(Box<Condition>, Scalar, Scalar, Value),
    Is(Box<Condition>, &'static str),
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Join {
    Inner,
    Cross,
    Left,
    Right,
    Full,
}

#[derive(Clone, Debug)]
pub enum On {
    None,
    Condition(Box<Condition>),
    /// A column's name, and where it is on both sides.
    Using(String, [(String, usize); 2]),
}

#[derive(Clone, Debug)]
pub enum Source {
    /// A table or CTE of this name, an alias, its columns.
    Table(String, String, Vec<String>),
    Derived(Box<Query>, String, bool),
    Joined(Join, Box<Source>, Box<Source>, On),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Plain,
    Distinct,
    /// `count(*)`.
    Count,
    /// `max` of the first item.
    Max,
    /// The first item and `count(*)` for each of its values.
    Grouped,
}

#[derive(Clone, Debug)]
pub struct Select {
    pub kind: Kind,
    pub items: Vec<Scalar>,
    pub from: Vec<Source>,
    pub condition: Option<Condition>,
    /// Of groups.
    pub having: Option<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    Union,
    UnionAll,
    Except,
    Intersect,
}

#[derive(Clone, Debug)]
pub enum Body {
    Select(Box<Select>),
    Set(Operation, Box<Body>, Box<Body>),
}

#[derive(Clone, Debug)]
pub struct Cte {
    pub name: String,
    pub columns: Vec<String>,
    pub query: Query,
    /// The step of a recursive one.
    pub step: Option<Select>,
    pub materialized: bool,
}

#[derive(Clone, Debug)]
pub struct Query {
    pub ctes: Vec<Cte>,
    pub body: Body,
}

impl Select {
    /// How many columns it gives.
    pub fn width(&self) -> usize {
        match self.kind {
            Kind::Plain | Kind::Distinct => self.items.len(),
            Kind::Count | Kind::Max => 1,
            Kind::Grouped => 2,
        }
    }
}

impl Body {
    pub fn width(&self) -> usize {
        match self {
            Self::Select(select) => select.width(),
            Self::Set(_, left, _) => left.width(),
        }
    }
}

/// Writes SQL, numbering parameters in order of appearance.
pub struct Writer {
    pub dialect: Dialect,
    pub out: String,
    pub parameters: Vec<Value>,
}

impl Writer {
    fn add(&mut self, text: &str) {
        self.out.push_str(text);
    }

    pub fn query(&mut self, query: &Query) {
        for (at, cte) in query.ctes.iter().enumerate() {
            let recursive = query.ctes.iter().any(|cte| cte.step.is_some());
            self.add(match at {
                0 if recursive => "with recursive ",
                0 => "with ",
                _ => ", ",
            });
            write!(self.out, "{}({}) as ", cte.name, cte.columns.join(", ")).unwrap();
            self.add(if cte.materialized {
                "materialized ("
            } else {
                "("
            });
            self.query(&cte.query);
            if let Some(step) = &cte.step {
                self.add(" union ");
                self.select(step);
            }
            self.add(")");
        }
        if !query.ctes.is_empty() {
            self.add(" ");
        }
        self.body(&query.body);
    }

    fn body(&mut self, body: &Body) {
        match body {
            Body::Select(select) => self.select(select),
            Body::Set(operation, left, right) => {
                self.body(left);
                self.add(match operation {
                    Operation::Union => " union ",
                    Operation::UnionAll => " union all ",
                    Operation::Except => " except ",
                    Operation::Intersect => " intersect ",
                });
                self.body(right);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        self.add("select ");
        match select.kind {
            Kind::Plain => self.items(&select.items),
            Kind::Distinct => {
                self.add("distinct ");
                self.items(&select.items);
            }
            Kind::Count => self.add("count(*) as x0"),
            Kind::Max => {
                self.add("max(");
                self.scalar(&select.items[0]);
                self.add(") as x0");
            }
            Kind::Grouped => {
                self.scalar(&select.items[0]);
                self.add(" as x0, count(*) as x1");
            }
        }
        for (at, source) in select.from.iter().enumerate() {
            self.add(if at == 0 { " from " } else { ", " });
            self.source(source, false);
        }
        if let Some(condition) = &select.condition {
            self.add(" where ");
            self.condition(condition);
        }
        if select.kind == Kind::Grouped {
            self.add(" group by ");
            self.scalar(&select.items[0]);
            if let Some(having) = &select.having {
                self.add(" having ");
                self.condition(having);
            }
        }
    }

    fn items(&mut self, items: &[Scalar]) {
        for (at, item) in items.iter().enumerate() {
            self.add(if at == 0 { "" } else { ", " });
            self.scalar(item);
            write!(self.out, " as x{at}").unwrap();
        }
    }

    fn source(&mut self, source: &Source, nested: bool) {
        match source {
            Source::Table(name, alias, _) if name == alias => self.add(name),
            Source::Table(name, alias, _) => write!(self.out, "{name} as {alias}").unwrap(),
            Source::Derived(query, alias, lateral) => {
                self.add(if *lateral { "lateral (" } else { "(" });
                self.query(query);
                write!(self.out, ") as {alias}").unwrap();
            }
            Source::Joined(join, left, right, on) => {
                self.add(if nested { "(" } else { "" });
                self.source(left, false);
                self.add(match join {
                    Join::Inner => " join ",
                    Join::Cross => " cross join ",
                    Join::Left => " left join ",
                    Join::Right => " right join ",
                    Join::Full => " full join ",
                });
                self.source(right, true);
                match on {
                    On::None => {}
                    On::Condition(condition) => {
                        self.add(" on ");
                        self.condition(condition);
                    }
                    On::Using(name, _) => write!(self.out, " using ({name})").unwrap(),
                }
                self.add(if nested { ")" } else { "" });
            }
        }
    }

    fn scalar(&mut self, scalar: &Scalar) {
        match scalar {
            Scalar::Column(text, ..) => self.add(text),
            Scalar::Constant(None) => self.add("null"),
            Scalar::Constant(Some(value)) => write!(self.out, "{value}").unwrap(),
            Scalar::Parameter(value) => {
                self.parameters.push(*value);
                match self.dialect {
                    Dialect::Postgres => write!(self.out, "${}", self.parameters.len()).unwrap(),
                    Dialect::Sqlite => self.add("?"),
                }
            }
            Scalar::Query(query) => self.enclosed(query),
        }
    }

    fn enclosed(&mut self, query: &Query) {
        self.add("(");
        self.query(query);
        self.add(")");
    }

    fn compare(&mut self, left: &Scalar, comparison: Comparison) {
        self.scalar(left);
        self.add(match comparison {
            Comparison::Equal => " = ",
            Comparison::NotEqual => " <> ",
            Comparison::Less => " < ",
        });
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Compare(left, comparison, right) => {
                self.compare(left, *comparison);
                self.scalar(right);
            }
            Condition::Null(scalar, negated) => {
                self.scalar(scalar);
                self.add(if *negated { " is not null" } else { " is null" });
            }
            Condition::Distinct(left, right, negated) => {
                self.scalar(left);
                self.add(match (self.dialect, negated) {
                    (Dialect::Postgres, true) => " is not distinct from ",
                    (Dialect::Postgres, false) => " is distinct from ",
                    (Dialect::Sqlite, true) => " is ",
                    (Dialect::Sqlite, false) => " is not ",
                });
                self.scalar(right);
            }
            Condition::In(scalar, list, negated) => {
                self.scalar(scalar);
                self.add(if *negated { " not in (" } else { " in (" });
                for (at, item) in list.iter().enumerate() {
                    self.add(if at == 0 { "" } else { ", " });
                    self.scalar(item);
                }
                self.add(")");
            }
            Condition::Pair(left, right) => {
                for (at, side) in [left, right].into_iter().enumerate() {
                    self.add(if at == 0 { "(" } else { " = (" });
                    self.scalar(&side[0]);
                    self.add(", ");
                    self.scalar(&side[1]);
                    self.add(")");
                }
            }
            Condition::Exists(query, negated) => {
                self.add(if *negated { "not exists " } else { "exists " });
                self.enclosed(query);
            }
            Condition::InQuery(scalar, query, negated) => {
                self.scalar(scalar);
                self.add(if *negated { " not in " } else { " in " });
                self.enclosed(query);
            }
            Condition::Quantified(scalar, comparison, any, query) => {
                self.compare(scalar, *comparison);
                self.add(if *any { "any " } else { "all " });
                self.enclosed(query);
            }
            Condition::Case(when, then, otherwise, value) => {
                self.add("case when ");
                self.condition(when);
                self.add(" then ");
                self.scalar(then);
                self.add(" else ");
                self.scalar(otherwise);
                self.add(" end = ");
                self.scalar(&Scalar::Constant(*value));
            }
            Condition::Is(inner, word) => {
                self.add("(");
                self.condition(inner);
                write!(self.out, ") is {word}").unwrap();
            }
            Condition::Not(inner) => {
                self.add("not (");
                self.condition(inner);
                self.add(")");
            }
            Condition::And(parts) | Condition::Or(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    self.add(match condition {
                        _ if at == 0 => "",
                        Condition::And(_) => " and ",
                        _ => " or ",
                    });
                    self.add("(");
                    self.condition(part);
                    self.add(")");
                }
            }
        }
    }
}
