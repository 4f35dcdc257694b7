"""Use cases on a contact. What a user does is planned by the heart and written as every plan is; whoever opened the transaction commits."""
