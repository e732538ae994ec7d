//! Amazon API Gateway that you run yourself.
