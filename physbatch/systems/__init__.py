"""Systems: what is learned, teachers, students and samples, and their order parameters."""
