"""Those who sell and those who buy."""

from __future__ import annotations

from examples.store.models import Customer, Employee
from examples.store.resource import Resource
from examples.store.shapes import (
    CustomerChange,
    CustomerRow,
    EmployeeChange,
    EmployeeRow,
    NewCustomer,
    NewEmployee,
)


class Employees(Resource[EmployeeRow, NewEmployee, EmployeeChange]):
    path = "/employees"
    tags = ("employees",)
    table = Employee


class Customers(Resource[CustomerRow, NewCustomer, CustomerChange]):
    path = "/customers"
    tags = ("customers",)
    table = Customer
