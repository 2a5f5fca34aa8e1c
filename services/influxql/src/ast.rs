//! The typed tree of a query.

mod display;
mod pattern;

pub use pattern::{BadPattern, Pattern};

/// What one request asks, statement by statement. An empty statement between two `;` is none and has no place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The statements, in order.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Statement {
    /// `SELECT …`
    Select(Box<Select>),
    /// `EXPLAIN [ANALYZE] SELECT …`
    Explain {
        /// Whether it is run, too.
        analyze: bool,
        /// What would be run.
        select: Box<Select>,
    },
    /// `SHOW …`
    Show(Show),
    /// `CREATE DATABASE "name" [WITH …]`
    CreateDatabase {
        /// Its name.
        name: String,
        /// What its first policy is to be.
        policy: Option<PolicyOptions>,
    },
    /// `DROP DATABASE "name"`
    DropDatabase(String),
    /// `CREATE RETENTION POLICY "name" ON "database" DURATION … REPLICATION … [SHARD DURATION …] [DEFAULT]`
    CreatePolicy(Policy),
    /// `ALTER RETENTION POLICY …`, of which only what is written changes.
    AlterPolicy(Policy),
    /// `DROP RETENTION POLICY "name" ON "database"`
    DropPolicy {
        /// Its name.
        name: String,
        /// Of which database.
        database: String,
    },
    /// `DROP MEASUREMENT "name"`
    DropMeasurement(String),
    /// `DROP SERIES FROM … WHERE …`
    DropSeries(Scope),
    /// `DELETE FROM … WHERE …`
    Delete(Scope),
    /// What the language has and nothing here does: users, grants, subscriptions, continuous queries, shards. It is known by
    /// its first words (`CREATE USER`), so that the answer can name it; its whole text is kept for `Display`.
    Unsupported {
        /// Which statement.
        name: &'static str,
        /// As it was written, without the blanks around it.
        text: String,
    },
}

/// `SELECT …`. Numbers that are not written are zero, which says the same: no limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    /// What is asked for, at least one.
    pub fields: Vec<Field>,
    /// `INTO …`
    pub into: Option<Measurement>,
    /// Where from, at least one.
    pub from: Vec<Source>,
    /// `WHERE …`
    pub condition: Option<Expr>,
    /// `GROUP BY …`: tags, patterns, wildcards and `time(…)`; what else is written is refused later, as InfluxDB does.
    pub group_by: Vec<Expr>,
    /// `fill(…)`
    pub fill: Fill,
    /// `ORDER BY time`
    pub order: Order,
    /// `LIMIT`, rows a series.
    pub limit: u64,
    /// `OFFSET`, rows a series.
    pub offset: u64,
    /// `SLIMIT`, series.
    pub series_limit: u64,
    /// `SOFFSET`, series.
    pub series_offset: u64,
    /// `tz('…')`, the name of a zone that is known.
    pub zone: Option<String>,
}

/// One thing asked for, with the name that it is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What.
    pub expr: Expr,
    /// `AS "alias"`
    pub alias: Option<String>,
}

/// Where points come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A measurement, or several by a pattern.
    Measurement(Measurement),
    /// What another query answers.
    Subquery(Box<Select>),
}

/// `["database".]["policy".]"name"`. `"database".."name"` has a database and no policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Another database than that of the request.
    pub database: Option<String>,
    /// Another retention policy than the database's own.
    pub policy: Option<String>,
    /// Which.
    pub name: Name,
}

/// A name, or a pattern of names.
#[derive(Clone, Debug, PartialEq)]
pub enum Name {
    /// This one.
    Exact(String),
    /// All that match.
    Matching(Pattern),
}

/// `fill(…)`
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fill {
    /// `fill(null)`, which holds where nothing is written.
    #[default]
    Null,
    /// `fill(none)`
    None,
    /// `fill(previous)`
    Previous,
    /// `fill(linear)`
    Linear,
    /// `fill(0)`, an integer.
    Integer(i64),
    /// `fill(0.5)`
    Number(f64),
}

/// Which way time runs in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From old to new.
    #[default]
    Ascending,
    /// From new to old.
    Descending,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `1.5`
    Number(f64),
    /// `1`
    Integer(i64),
    /// An integer beyond those.
    Unsigned(u64),
    /// `'text'`
    String(String),
    /// `true`
    Boolean(bool),
    /// `5m`, in nanoseconds.
    Duration(i64),
    /// `/pattern/`
    Pattern(Pattern),
    /// A field, a tag or `time`: `"value"`, `"station"::tag`.
    Variable {
        /// Its name.
        name: String,
        /// What stands behind `::`.
        cast: Option<Cast>,
    },
    /// `*`, `*::tag`, `*::field`
    Wildcard(Option<Kind>),
    /// `mean("value")`; the name in small letters.
    Call {
        /// The function.
        name: String,
        /// What it is given.
        args: Vec<Expr>,
    },
    /// `DISTINCT "value"`, the form without parentheses.
    Distinct(String),
    /// `"a" + "b"`
    Binary {
        /// What is done.
        op: Operator,
        /// The left side.
        left: Box<Expr>,
        /// The right side.
        right: Box<Expr>,
    },
    /// `(…)`
    Paren(Box<Expr>),
    /// `$name`, filled from the request's `params` before it is run.
    Parameter(String),
}

/// What stands behind `::`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// `::float`
    Float,
    /// `::integer`
    Integer,
    /// `::unsigned`
    Unsigned,
    /// `::string`
    String,
    /// `::boolean`
    Boolean,
    /// `::field`, any of the above.
    Field,
    /// `::tag`
    Tag,
}

/// Tags or fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Fields.
    Field,
    /// Tags.
    Tag,
}

/// What two expressions are joined by, loosest binding first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `OR`
    Or,
    /// `AND`
    And,
    /// `=`
    Equal,
    /// `!=` or `<>`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `|`
    BitOr,
    /// `^`
    BitXor,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `&`
    BitAnd,
}

/// `SHOW …`
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Show {
    /// `SHOW DATABASES`
    Databases,
    /// `SHOW RETENTION POLICIES [ON "database"]`
    Policies(Option<String>),
    /// `SHOW MEASUREMENTS [ON …] [WITH MEASUREMENT …] [WHERE …] [LIMIT …] [OFFSET …]`
    Measurements {
        /// Which; `WITH MEASUREMENT = "name"` or `=~ /pattern/`.
        with: Option<Name>,
        /// Of what; its sources are empty.
        scope: Scope,
    },
    /// `SHOW TAG KEYS [ON …] [FROM …] [WHERE …] …`
    TagKeys(Scope),
    /// `SHOW TAG VALUES [ON …] [FROM …] WITH KEY … [WHERE …] …`
    TagValues {
        /// Which keys.
        keys: Keys,
        /// Of what.
        scope: Scope,
    },
    /// `SHOW FIELD KEYS [ON …] [FROM …] …`
    FieldKeys(Scope),
    /// `SHOW SERIES [ON …] [FROM …] [WHERE …] …`
    Series(Scope),
    /// `SHOW … [EXACT] CARDINALITY …`
    Cardinality {
        /// Of what is counted.
        of: Counted,
        /// Whether `EXACT` was written.
        exact: bool,
        /// Of what.
        scope: Scope,
    },
    /// `SHOW QUERIES`
    Queries,
    /// `SHOW USERS`
    Users,
    /// `SHOW CONTINUOUS QUERIES`
    ContinuousQueries,
    /// `SHOW SUBSCRIPTIONS`
    Subscriptions,
    /// `SHOW SHARDS`
    Shards,
    /// `SHOW SHARD GROUPS`
    ShardGroups,
    /// `SHOW STATS [FOR '…']`
    Stats(Option<String>),
    /// `SHOW DIAGNOSTICS [FOR '…']`
    Diagnostics(Option<String>),
    /// `SHOW GRANTS FOR "user"`
    Grants(String),
}

/// What `CARDINALITY` counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Counted {
    /// Series.
    Series,
    /// Measurements.
    Measurements,
    /// Keys of tags.
    TagKeys,
    /// Values of tags with these keys.
    TagValues(Keys),
    /// Keys of fields.
    FieldKeys,
}

/// `WITH KEY …`
#[derive(Clone, Debug, PartialEq)]
pub enum Keys {
    /// `= "key"`
    Equal(String),
    /// `!= "key"`
    NotEqual(String),
    /// `=~ /pattern/`
    Matching(Pattern),
    /// `!~ /pattern/`
    NotMatching(Pattern),
    /// `IN ("a", "b")`
    In(Vec<String>),
}

/// What a statement about metadata looks at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope {
    /// `ON "database"`
    pub database: Option<String>,
    /// `FROM …`; measurements only, all where there is none.
    pub from: Vec<Measurement>,
    /// `WHERE …`
    pub condition: Option<Expr>,
    /// `GROUP BY …`, which only `CARDINALITY` has.
    pub group_by: Vec<Expr>,
    /// `ORDER BY time`, which changes nothing.
    pub order: Order,
    /// `LIMIT`
    pub limit: u64,
    /// `OFFSET`
    pub offset: u64,
    /// `SLIMIT`
    pub series_limit: u64,
    /// `SOFFSET`
    pub series_offset: u64,
}

/// `WITH DURATION … REPLICATION … SHARD DURATION … NAME …`; what is not written is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PolicyOptions {
    /// How long points are kept, in nanoseconds; zero for ever (`INF`).
    pub duration: Option<i64>,
    /// How often they are kept.
    pub replication: Option<u32>,
    /// How much of time lies in one shard, in nanoseconds.
    pub shard_duration: Option<i64>,
    /// What it is called.
    pub name: Option<String>,
}

/// A retention policy as `CREATE` and `ALTER` write it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Of which database.
    pub database: String,
    /// How long points are kept, in nanoseconds; zero for ever (`INF`).
    pub duration: Option<i64>,
    /// How often they are kept.
    pub replication: Option<u32>,
    /// How much of time lies in one shard, in nanoseconds.
    pub shard_duration: Option<i64>,
    /// Whether it becomes the database's own.
    pub default: bool,
}
