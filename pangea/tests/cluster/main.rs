//! Whole clusters of real processes: `pangea up`, its area servers, real sockets, a database in a temporary
//! folder. One file per behaviour; `support` starts and stops clusters.

mod support;
